/* The stages of the work queue: one function a file, listed in stages.def. */
#ifndef SCAN_STAGE_H
#define SCAN_STAGE_H

#include "scan/pipeline.h"

struct stage {
    const char *name;
    enum resume resume;
    uint64_t skip;
    void (*judge)(struct scan_world *w, struct message *m);
};

/* stage_policy.c: the log line of a message's policy. */
void stage_policy_tell(struct message *m);
/* stage_scanning.c: what becomes of a message that could not be looked into (settings scanning.unscannable_action). */
void stage_scanning_unscannable(struct message *m, struct str why);

#define STAGE(name, resume, skip) void stage_##name(struct scan_world *w, struct message *m);
#include "scan/stages.def"
#undef STAGE

#endif
