/* A score of an engine on our scale, along straight lines between known points. Pure. */
#ifndef SCAN_SCALE_H
#define SCAN_SCALE_H

#include <stddef.h>

struct scale_point {
    double from, to;
};

/* Points ascend. Before the first its value, behind the last its value. */
static inline double scale_score(const struct scale_point *points, size_t n, double score)
{
    if (score <= points[0].from)
        return points[0].to;
    for (size_t i = 1; i < n; i++)
        if (score < points[i].from)
            return points[i - 1].to +
                   (points[i].to - points[i - 1].to) * (score - points[i - 1].from) / (points[i].from - points[i - 1].from);
    return points[n - 1].to;
}

#endif
