/* Sessions that carry files: SFTP, SCP, FTP over descriptors 0 and 1. Only main_session.c includes this. */
#ifndef ROLE_SESSION_FILES_H
#define ROLE_SESSION_FILES_H

#include "base/str.h"

/* Exit status. `control` is the connection to control; `command` of scp: what the client asked for; of ftp: the settings, as
 * shell/ssh_ftp.c writes them: "FIRST-LAST ACTIVE IDLE_MS LOGIN_MS HOSTNAME". */
int session_sftp(const char *home, uint64_t role, int control);
int session_scp(const char *home, uint64_t role, int control, struct str command);
int session_ftp(const char *home, int control, struct str settings);

#endif
