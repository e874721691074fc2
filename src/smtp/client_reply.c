/*
 * Reads SMTP replies (RFC 5321 4.2): code, one or more lines, bounded in length and number.
 *
 * Called by the steps of the client. The text of a one-line reply is a view into the input; lines of longer ones are
 * gathered in cl->gather; their code is that of the last. Octets that are no reply give RC_SYNTAX, and the connection is
 * given up.
 */
#include "smtp/client_inside.h"

static bool line_code(struct str line, unsigned *code_out, bool *last_out, struct str *text_out)
{
    if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' || !ascii_digit(line.p[1]) || !ascii_digit(line.p[2]))
        return false;
    if (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-')
        return false;
    *code_out = (unsigned)(line.p[0] - '0') * 100 + (unsigned)(line.p[1] - '0') * 10 + (unsigned)(line.p[2] - '0');
    *last_out = line.n == 3 || line.p[3] == ' ';
    *text_out = str_from(line, 4);
    return true;
}

static bool asks(const struct smtp_client *cl)
{
    return cl->o->cpq && cl->o->cpq->commands.n;
}

static size_t reply_max(const struct smtp_client *cl)
{
    return asks(cl) ? CLIENT_STATUS_MAX : CLIENT_REPLY_MAX;
}

static void gather_add(struct smtp_client *cl, struct str text)
{
    cl->gather.max = reply_max(cl) + 1;
    if (cl->gather_lines++)
        if (cl->gather.n < reply_max(cl))
            buf_addc(&cl->gather, '\n');
    buf_add(&cl->gather, str_first(text, reply_max(cl) - cl->gather.n));
}

static enum rc reply_line(struct smtp_client *cl, struct str *line_out)
{
    enum rc rc = conversation_line(&cl->c, CLIENT_LINE_MAX, line_out);

    if (rc == RC_LINE_TOO_LONG)
        return RC_SYNTAX;
    return rc;
}

enum rc client_reply_read(struct smtp_client *cl)
{
    for (;;) {
        struct str line, text;
        unsigned code;
        bool last;

        TRY(reply_line(cl, &line));
        if (!line_code(line, &code, &last, &text))
            return RC_SYNTAX;
        if (last && !cl->gather_lines) {
            cl->reply = (struct client_reply){code, str_first(text, CLIENT_REPLY_MAX)};
            return RC_OK;
        }
        gather_add(cl, text);
        if (last) {
            cl->reply = (struct client_reply){code, buf_str(&cl->gather)};
            cl->gather.n = 0; /* the octets stay until the next reply is gathered */
            cl->gather_lines = 0;
            return RC_OK;
        }
        if (cl->gather_lines > (asks(cl) ? CLIENT_STATUS_LINES : CLIENT_REPLY_LINES))
            return RC_SYNTAX;
    }
}

struct str client_enhanced(struct str text, unsigned code)
{
    size_t i = 2, digits, parts = 1;

    if (text.n < 5 || text.p[1] != '.' || (unsigned)(text.p[0] - '0') != code / 100)
        return STR_NONE;
    while (parts < 3) {
        for (digits = 0; i < text.n && ascii_digit(text.p[i]); digits++)
            i++;
        if (digits == 0 || digits > 3)
            return STR_NONE;
        if (++parts < 3 && (i >= text.n || text.p[i++] != '.'))
            return STR_NONE;
    }
    if (i < text.n && text.p[i] != ' ' && text.p[i] != '\n')
        return STR_NONE;
    return str_first(text, i);
}
