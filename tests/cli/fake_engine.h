/* The fake engine's containers, sessions and requests; see fake_engine.c. */
#pragma once

#include "host/channel/credit.h"
#include "host/channel/frame.h"
#include "host/channel/queue.h"
#include "lib/base/record.h"
#include "tests/cli/fake_process.h"

#define PROCESSES_MAX 16

struct container {
    struct container *next;
    char id[65];
    char name[64];
    uint8_t blob[32];
    uint8_t *label;
    uint32_t label_bytes;
    uint8_t *specification;
    size_t specification_bytes;
    const char *state;
    bool auto_remove;
    uint64_t created;
    uint64_t begun;
    uint64_t ended;
    struct process *process[PROCESSES_MAX]; /* 0: its own; the others: EXEC */
    uint32_t process_count;
};

struct wait {
    bool active;
    uint16_t tag;
    struct process *process;
};

struct fake_session {
    struct fake_session *next;
    uint32_t number;
    uint8_t *more;
    size_t more_bytes;
    struct process *source; /* whose log goes to streams 1 and 2 */
    struct process *sink;   /* where stream 0 goes */
    struct chunk **cursor;
    uint32_t cursor_offset;
    bool follow;
    bool finished; /* EOF was sent on both */
    struct credit credit[3];
    uint8_t *input; /* stdin that the process did not take yet */
    uint32_t input_bytes;
    bool input_over;
    uint32_t input_owed;
    struct wait wait;
    struct wait copy; /* COPY_IN: answered when tar has ended */
    uint64_t reservation;
};

struct engine {
    int fd;
    struct frame_queue out;
    struct container *containers;
    struct fake_session *sessions;
    const char *store_path;
    uint64_t store_next;
};

void engine_send(struct engine *engine, uint32_t session, uint16_t type, uint16_t stream,
                 uint32_t value, const void *payload, size_t length_bytes);
void engine_result(struct engine *engine, uint32_t session, uint16_t tag, status_t status,
                   const struct record_writer *records);
void engine_request(struct engine *engine, struct fake_session *session, uint16_t tag,
                    uint32_t request, const uint8_t *bytes, size_t length_bytes);
void blob_request(struct engine *engine, struct fake_session *session, uint16_t tag,
                  uint32_t request, const uint8_t *bytes, size_t length_bytes);
bool blob_known(const struct engine *engine, const uint8_t *name);
void container_ended_check(struct engine *engine, struct container *container);
char *field_text(const uint8_t *bytes, size_t length_bytes, uint16_t tag);
uint64_t field_number(const uint8_t *bytes, size_t length_bytes, uint16_t tag);
