/* The commands of the front `postern`: each gets the words after its own name and returns the exit status. */
#ifndef ROLE_COMMANDS_H
#define ROLE_COMMANDS_H

int front_init(int argc, char **argv);
int front_settings(int argc, char **argv);
int front_cli(int argc, char **argv);

int front_run(int argc, char **argv);
int front_start(int argc, char **argv);
int front_stop(int argc, char **argv);
int front_status(int argc, char **argv);

/* The home named by `--home DIR` among the words, else $POSTERN_HOME, else /var/lib/postern, as an absolute path without
 * symbolic links; NULL (and said why) when there is no such directory. The string is static. */
const char *command_home(int argc, char **argv);

#endif
