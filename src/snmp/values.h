/* The figures behind our MIB objects (spec/snmp.md 2), read every few seconds; nothing here waits for anyone. */
#ifndef SNMP_ROOM_VALUES_H
#define SNMP_ROOM_VALUES_H

#include "base/board.h"
#include "conf/conf.h"
#include "record/machine.h"

enum { SNMP_TEXT = 128, SNMP_SENSORS = 64, SNMP_POWER = 8, SNMP_RAIDS = 16 };

enum { QUEUE_AVAILABLE = 1, QUEUE_SHORTAGE, QUEUE_FULL };
enum { CONSERVE_NONE = 1, CONSERVE_MEMORY, CONSERVE_QUEUE_SHORTAGE, CONSERVE_QUEUE_FULL };
enum { MEMORY_AVAILABLE = 1, MEMORY_SHORTAGE, MEMORY_FULL };
enum { RAID_HEALTHY = 1, RAID_FAILED, RAID_REBUILDS };

struct snmp_sensor {
    char name[SNMP_TEXT];
    uint64_t value; /* degrees Celsius; revolutions a minute */
    bool alarm;     /* above the sensor's own limit; a fan that stands */
};

struct snmp_raid {
    char name[SNMP_TEXT], error[SNMP_TEXT];
    unsigned status;
};

struct snmp_values {
    uint64_t memory, cpu, disk, queue; /* percent, 0..100 */
    unsigned queue_state, conserve, memory_state;
    uint64_t work_queue, oldest_s, dns_outstanding, dns_pending, raid_events, open_files, movers;
    char disk_summary[SNMP_TEXT];
    struct snmp_sensor temperatures[SNMP_SENSORS], fans[SNMP_SENSORS];
    size_t n_temperatures, n_fans;
    struct snmp_raid raids[SNMP_RAIDS];
    size_t n_raids;
};

/* Where figures come from; /proc and /sys stand elsewhere in tests. */
struct snmp_sources {
    const struct board *board;
    const struct conf *conf;
    const char *home, *sys, *proc;
    uint64_t now_ms; /* wall clock */
};

/* Refreshes *v; *load keeps the readings of the last call. What cannot be read is 0 or no row. */
void snmp_values_read(struct snmp_values *v, struct machine_load *load, const struct snmp_sources *from);

/* "Total_disk_space: 200 GB, Used_disk_space: 40 GB, Available_disk_space: 160 GB" (spec/snmp.md 2, .27). */
void snmp_disk_summary(uint64_t total, uint64_t used, uint64_t available, char out[SNMP_TEXT]);

/* sensors.c: hwmon below `sys`, mdstat below `proc`. Rows keep their order as long as the hardware is the same. */
void snmp_sensors_read(struct snmp_values *v, const char *sys);
void snmp_raids_read(struct snmp_values *v, const char *proc);

#endif
