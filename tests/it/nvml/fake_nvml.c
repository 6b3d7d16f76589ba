/* The part of NVML's binary interface that a patrol uses, played: two cards, and the second one is in
 * the scene that FAKE_NVML names. Each call of nvmlInit_v2 is noted in the file FAKE_NVML_LOG.
 * The file FAKE_NVML_STATE, where it is named, is read at each call: a line `scene NAME` stands for FAKE_NVML, and a
 * line `CARD PERCENT MIB PID:MIB,PID:MIB` says how busy a card (0, 1; 2 is the MIG instance) is, and by whom.
 * -DOLD leaves out what libraries of some years ago lack, -DANCIENT even the call to begin with. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SUCCESS = 0,
    NOT_SUPPORTED = 3,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
    GPU_IS_LOST = 15,
    LIB_RM_VERSION_MISMATCH = 18,
    UNKNOWN = 999,
};
enum { SW_POWER_CAP = 0x4, HW_SLOWDOWN = 0x8, SW_THERMAL = 0x20, HW_THERMAL = 0x40 };
enum { SLOWDOWN = 1, UNCORRECTED = 1, VOLATILE = 0, REMAPPED_PENDING = 144, REMAPPED_FAILURE = 145, UNSIGNED_INT = 1 };

struct card {
    unsigned index;
    const char *uuid, *bus, *name;
};
static struct card cards[] = {
    {0, "GPU-aaaaaaaa-0000-0000-0000-000000000000", "00000000:41:00.0", "NVIDIA Fake 80GB"},
    {1, "GPU-bbbbbbbb-0000-0000-0000-000000000000", "00000000:01:00.0", "NVIDIA Fake 80GB"},
};
typedef struct card *device;

struct reading { unsigned card, percent, mib; char pids[200]; };

/* The state's line of a card. */
static int reading(const struct card *card, struct reading *reading) {
    const char *path = getenv("FAKE_NVML_STATE");
    FILE *state = path ? fopen(path, "r") : NULL;
    char line[300];
    int found = 0;
    while (state && !found && fgets(line, sizeof line, state)) {
        reading->pids[0] = 0;
        found = sscanf(line, "%u %u %u %199s", &reading->card, &reading->percent, &reading->mib, reading->pids) >= 3
            && reading->card == card->index;
    }
    if (state) fclose(state);
    return found;
}

static const char *scene(void) {
    static char name[50];
    const char *path = getenv("FAKE_NVML_STATE"), *usual = getenv("FAKE_NVML");
    FILE *state = path ? fopen(path, "r") : NULL;
    int found = state && fscanf(state, "scene %49s", name) == 1;
    if (state) fclose(state);
    return found ? name : usual ? usual : "";
}
static int plays(const char *name) { return strcmp(scene(), name) == 0; }
static int plays_on(device card, const char *name) { return card->index == 1 && plays(name); }

/* A lost card answers every call with this, but for its name in the scene `lost`. */
#define ALIVE(card) do { if (plays_on(card, "lost")) return GPU_IS_LOST; } while (0)

static void note(const char *text) {
    const char *path = getenv("FAKE_NVML_LOG");
    FILE *log = path ? fopen(path, "a") : NULL;
    if (log) {
        fprintf(log, "%s\n", text);
        fclose(log);
    }
}

/* What this process has open, and then nothing ever again. */
static void hang(void) {
    DIR *open_files = opendir("/proc/self/fd");
    struct dirent *entry;
    while (open_files && (entry = readdir(open_files))) {
        char path[300], target[4096] = {0};
        snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        if (readlink(path, target, sizeof target - 1) > 0) note(target);
    }
    note("hangs");
    for (;;) pause();
}

static int text(char *out, unsigned size, const char *value) {
    snprintf(out, size, "%s", value);
    return SUCCESS;
}

#ifndef ANCIENT
int nvmlInit_v2(void) {
    note("init");
    if (plays("not_loaded")) return DRIVER_NOT_LOADED;
    if (plays("mismatch")) return LIB_RM_VERSION_MISMATCH;
    if (plays("unknown")) return UNKNOWN;
    return SUCCESS;
}
#endif
int nvmlShutdown(void) { return SUCCESS; }
int nvmlSystemGetDriverVersion(char *out, unsigned size) { return text(out, size, "555.42"); }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = plays("none") ? 0 : 2; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, device *card) {
    if (index == 1 && plays("no_handle")) return GPU_IS_LOST;
    *card = &cards[index];
    return SUCCESS;
}
int nvmlDeviceGetUUID(device card, char *out, unsigned size) { return text(out, size, card->uuid); }
int nvmlDeviceGetName(device card, char *out, unsigned size) { ALIVE(card); return text(out, size, card->name); }

int nvmlDeviceGetTemperature(device card, int sensor, unsigned *celsius) {
    (void)sensor;
    ALIVE(card);
    if (plays_on(card, "hanging")) hang();
    *celsius = plays_on(card, "hot") ? 88 : plays_on(card, "slowing") ? 93 : 61;
    return SUCCESS;
}
int nvmlDeviceGetTemperatureThreshold(device card, int kind, unsigned *celsius) {
    ALIVE(card);
    *celsius = 92;
    return kind == SLOWDOWN ? SUCCESS : NOT_SUPPORTED;
}
struct utilization { unsigned gpu, memory; };
int nvmlDeviceGetUtilizationRates(device card, struct utilization *rates) {
    struct reading now;
    ALIVE(card);
    rates->gpu = reading(card, &now) ? now.percent : 97;
    rates->memory = 40;
    return plays_on(card, "mig") ? NOT_SUPPORTED : SUCCESS;
}
int nvmlDeviceGetPowerUsage(device card, unsigned *milliwatts) { ALIVE(card); *milliwatts = 431250; return SUCCESS; }
int nvmlDeviceGetEnforcedPowerLimit(device card, unsigned *milliwatts) { ALIVE(card); *milliwatts = 700000; return SUCCESS; }
int nvmlDeviceGetClockInfo(device card, int clock, unsigned *mhz) {
    (void)clock;
    ALIVE(card);
    *mhz = plays_on(card, "capped") ? 345 : 1755;
    return SUCCESS;
}
int nvmlDeviceGetMaxClockInfo(device card, int clock, unsigned *mhz) { (void)clock; ALIVE(card); *mhz = 1980; return SUCCESS; }
int nvmlDeviceGetTotalEccErrors(device card, int kind, int counter, unsigned long long *count) {
    const char *errors = getenv("FAKE_NVML_ECC");
    ALIVE(card);
    *count = card->index == 1 && kind == UNCORRECTED && counter == VOLATILE && errors ? strtoull(errors, NULL, 10) : 0;
    return SUCCESS;
}
int nvmlDeviceGetRetiredPagesPendingStatus(device card, int *pending) {
    ALIVE(card);
    *pending = plays_on(card, "retiring");
    return SUCCESS;
}

#ifndef OLD
int nvmlDeviceGetCurrentClocksThrottleReasons(device card, unsigned long long *reasons) {
    ALIVE(card);
    *reasons = plays_on(card, "throttling") ? HW_SLOWDOWN | HW_THERMAL : SW_POWER_CAP;
    return SUCCESS;
}
struct pci { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; };
int nvmlDeviceGetPciInfo_v3(device card, struct pci *pci) {
    ALIVE(card);
    memset(pci, 0, sizeof *pci);
    return text(pci->bus_id, sizeof pci->bus_id, card->bus);
}
struct memory { unsigned version; unsigned long long total, reserved, free, used; };
int nvmlDeviceGetMemoryInfo_v2(device card, struct memory *memory) {
    ALIVE(card);
    memory->total = 80ULL << 30;
    struct reading now;
    memory->used = reading(card, &now) ? (unsigned long long)now.mib << 20 : 60ULL << 30;
    return SUCCESS;
}
struct process { unsigned pid; unsigned long long bytes; unsigned gpu_instance, compute_instance; };
/* FAKE_NVML_PIDS is a list of pids; each holds 2 GiB of the second card. */
int nvmlDeviceGetComputeRunningProcesses_v3(device card, unsigned *count, struct process *list) {
    const char *pids = getenv("FAKE_NVML_PIDS");
    unsigned room = *count, found = 0;
    struct reading now;
    int told = reading(card, &now);
    ALIVE(card);
    if (told) pids = now.pids;
    while ((told || card->index == 1) && pids && *pids) {
        unsigned pid = (unsigned)strtoul(pids, (char **)&pids, 10);
        struct process process = {pid, 2ULL << 30, ~0U, ~0U};
        if (*pids == ':') process.bytes = strtoull(pids + 1, (char **)&pids, 10) << 20;
        if (list && found < room) list[found] = process;
        found++;
        if (*pids == ',') pids++;
    }
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}
struct field {
    unsigned id, scope;
    long long timestamp, latency;
    unsigned type;
    int answer;
    union { unsigned number; unsigned long long wide; } value;
};
int nvmlDeviceGetFieldValues(device card, int count, struct field *fields) {
    ALIVE(card);
    for (int at = 0; at < count; at++) {
        struct field *field = &fields[at];
        field->type = UNSIGNED_INT;
        field->answer = field->id == REMAPPED_PENDING || field->id == REMAPPED_FAILURE ? SUCCESS : NOT_SUPPORTED;
        field->value.number = field->id == REMAPPED_FAILURE && plays_on(card, "used_up");
    }
    return SUCCESS;
}
int nvmlDeviceGetMigMode(device card, unsigned *current, unsigned *pending) {
    ALIVE(card);
    *current = *pending = plays_on(card, "mig");
    return SUCCESS;
}
int nvmlDeviceGetMaxMigDeviceCount(device card, unsigned *count) { (void)card; *count = 7; return SUCCESS; }
static struct card instance = {2, "MIG-cccccccc-0000-0000-0000-000000000000", "", ""};
int nvmlDeviceGetMigDeviceHandleByIndex(device card, unsigned index, device *out) {
    (void)card;
    *out = &instance;
    return index == 2 ? SUCCESS : NOT_FOUND;
}
#endif
