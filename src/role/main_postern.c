/*
 * postern: the front. One command a call; everything that lasts is done by postern-master and the roles.
 *
 * Run by people and scripts. Exit status: 0 done, 1 failed or not running, 2 wrong usage.
 */
#include "role/commands.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;
} commands[] = {
    {"init", front_init, "init --home DIR --role gateway|manager|bastion [--lab BASE] [--set PATH=VALUE ...]   make a home"},
    {"run", front_run, "run --home DIR      all roles in the foreground, until SIGTERM"},
    {"start", front_start, "start --home DIR    the same in the background"},
    {"stop", front_stop, "stop --home DIR     end it"},
    {"status", front_status, "status --home DIR   what runs"},
    {"cli", front_cli, "cli --home DIR [--user NAME] [COMMAND ...]   operator commands"},
    {"settings", front_settings, "settings [--json]   every setting: path, type, default, help"},
};

static int usage(FILE *to)
{
    fprintf(to, "usage:\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(to, "  postern %s\n", commands[i].usage);
    return to == stderr ? 2 : 0;
}

const char *command_home(int argc, char **argv)
{
    static char path[PATH_MAX];
    const char *home = getenv("POSTERN_HOME");

    for (int i = 0; i + 1 < argc; i++)
        if (strcmp(argv[i], "--home") == 0)
            home = argv[i + 1];
    if (!home)
        home = "/var/lib/postern";
    if (realpath(home, path))
        return path;
    fprintf(stderr, "postern: no home at %s (make one: postern init --home DIR)\n", home);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr);
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0)
        return usage(stdout);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    fprintf(stderr, "postern: unknown command %s\n", argv[1]);
    return usage(stderr);
}
