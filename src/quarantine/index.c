/*
 * The tables of the index of held mail. See index.h.
 *
 * Called by store.c at its start. Owns nothing but the text of the schema. Everything in it can be made anew from the
 * segment files, but for decisions that were delayed or moved; so losing it loses no mail.
 */
#include "quarantine/index.h"

#include <stdio.h>

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS name(id INTEGER PRIMARY KEY,text TEXT UNIQUE);"
    "CREATE TABLE IF NOT EXISTS pool(class INTEGER PRIMARY KEY,messages INTEGER DEFAULT 0,bytes INTEGER DEFAULT 0);"
    "INSERT OR IGNORE INTO pool(class) VALUES(0),(1);"
    "CREATE TABLE IF NOT EXISTS quarantine(id INTEGER PRIMARY KEY,name TEXT UNIQUE COLLATE NOCASE,messages INTEGER DEFAULT "
    "0,"
    "bytes INTEGER DEFAULT 0,action INTEGER,kind INTEGER,known INTEGER DEFAULT 1);"
    "CREATE TABLE IF NOT EXISTS segment(id INTEGER PRIMARY KEY,class INTEGER,day INTEGER,mark INTEGER DEFAULT 0,live "
    "INTEGER DEFAULT 0,"
    "closed INTEGER DEFAULT 0);"
    "CREATE TABLE IF NOT EXISTS key(class INTEGER,serial INTEGER,mid INTEGER,id INTEGER,digest BLOB,recipients INTEGER,"
    "gone INTEGER DEFAULT 0,PRIMARY KEY(class,serial,mid,id)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS key_gone ON key(gone) WHERE gone>0;"
    "CREATE TABLE IF NOT EXISTS message(id INTEGER PRIMARY KEY,class INTEGER,segment INTEGER,offset INTEGER,meta_bytes "
    "INTEGER,"
    "body_bytes INTEGER,big INTEGER,serial INTEGER,mid INTEGER,host INTEGER,sender TEXT,recipients TEXT,subject TEXT,names "
    "TEXT,"
    "largest INTEGER,received INTEGER,held INTEGER,open INTEGER,deleted INTEGER DEFAULT 0,bytes INTEGER,reasons TEXT);"
    "CREATE INDEX IF NOT EXISTS message_received ON message(class,received,id);"
    "CREATE INDEX IF NOT EXISTS message_sender ON message(class,sender COLLATE NOCASE,id);"
    "CREATE INDEX IF NOT EXISTS message_subject ON message(class,subject COLLATE NOCASE,id);"
    "CREATE INDEX IF NOT EXISTS message_size ON message(class,body_bytes,id);"
    "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(sender,recipients,subject,names,reasons,content='',detail=column,"
    "tokenize='trigram');"
    "CREATE TABLE IF NOT EXISTS hold(quarantine INTEGER,message INTEGER,exit INTEGER,action INTEGER,entered "
    "INTEGER,received INTEGER,"
    "size INTEGER,reason TEXT,rule TEXT,kind INTEGER,state INTEGER DEFAULT 0,PRIMARY KEY(quarantine,message)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS hold_message ON hold(message);"
    "CREATE INDEX IF NOT EXISTS hold_exit ON hold(exit) WHERE state=0;"
    "CREATE INDEX IF NOT EXISTS hold_quarantine_exit ON hold(quarantine,state,exit);"
    "CREATE INDEX IF NOT EXISTS hold_quarantine_received ON hold(quarantine,received);"
    "CREATE TABLE IF NOT EXISTS entry(id INTEGER PRIMARY KEY AUTOINCREMENT,message INTEGER,recipient TEXT,exit "
    "INTEGER,received INTEGER,"
    "size INTEGER,state INTEGER DEFAULT 0);"
    "CREATE INDEX IF NOT EXISTS entry_recipient ON entry(recipient COLLATE NOCASE,received);"
    "CREATE INDEX IF NOT EXISTS entry_message ON entry(message);"
    "CREATE INDEX IF NOT EXISTS entry_received ON entry(received);"
    "CREATE INDEX IF NOT EXISTS entry_exit ON entry(exit) WHERE state=0;"
    "CREATE TABLE IF NOT EXISTS leave(id INTEGER PRIMARY KEY,message INTEGER,entry INTEGER,release TEXT,recipients "
    "BLOB,copy INTEGER,"
    "made INTEGER);"
    "CREATE INDEX IF NOT EXISTS leave_message ON leave(message);"
    "CREATE TABLE IF NOT EXISTS stay(quarantine INTEGER PRIMARY KEY);"
    "CREATE TABLE IF NOT EXISTS moving(message INTEGER PRIMARY KEY,next INTEGER,doubtful INTEGER);"
    "CREATE TABLE IF NOT EXISTS migration(class INTEGER,serial INTEGER,run INTEGER,state INTEGER,total INTEGER,moved "
    "INTEGER,"
    "ever INTEGER,told INTEGER,PRIMARY KEY(class,serial)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS outbreak_left(serial INTEGER,mid INTEGER,made INTEGER,PRIMARY KEY(serial,mid)) WITHOUT "
    "ROWID;";

static const char *const texts[] = {
#define STATEMENT(name, text) text,
#include "quarantine/index.def"
#undef STATEMENT
};

enum rc index_open(struct sql *s, const char *dir, struct err *e)
{
    char path[4200];

    snprintf(path, sizeof path, "%s/index.db", dir);
    return sql_open(s, path, schema, texts, sizeof texts / sizeof *texts, e);
}
