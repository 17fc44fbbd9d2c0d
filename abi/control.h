/*
 * The control channel: one ordered byte stream (a virtio-console port, and on the host a Unix
 * socket) that carries frames. The same frames run between the CLI and `oak machine`, and between
 * `oak machine` and the engine; the machine process only maps session numbers.
 *
 * A session is opened by its first REQUEST frame and ended by CLOSE from either side. Requests of
 * one session are carried out in order and each gets exactly one RESULT with the same tag; WAIT's
 * RESULT comes when there is something to report, without holding up the requests after it.
 * Streams 0, 1, 2 (stdin towards the engine, stdout and stderr from it) exist after ATTACH, EXEC
 * or LOGS. Each stream starts with CONTROL_WINDOW bytes of credit for its sender; DATA uses it up,
 * CREDIT from the receiver returns it. Who sends more than its credit is disconnected. EOF closes
 * one direction of one stream. A session that does not return credit stalls alone.
 * Byte order: little endian. Includes nothing.
 */
#pragma once

#define CONTROL_VERSION   1
#define CONTROL_FRAME_MAX 32768  /* payload bytes of one frame */
#define CONTROL_WINDOW    65536  /* initial credit of a stream, bytes */
#define CONTROL_SPEC_MAX  262144 /* bytes of a whole CREATE or EXEC specification */
/* The channel itself: HELLO, and the machine's own requests. */
#define CONTROL_SESSION_ALL 0

struct control_frame {
    uint32_t length; /* payload bytes after this header, at most CONTROL_FRAME_MAX */
    uint32_t session;
    uint16_t type;   /* enum control_type */
    uint16_t stream; /* DATA, CREDIT, EOF: the stream; REQUEST, RESULT: the tag */
    uint32_t value; /* REQUEST: enum control_request; RESULT: status; CREDIT: bytes; HELLO: version;
                       RESIZE: rows << 16 | columns */
};

enum control_type {
    CONTROL_HELLO = 1,   /* both sides, first frame; payload: struct control_hello */
    CONTROL_REQUEST = 2, /* payload: records (lib/base/record.h). A specification larger than one
                            frame comes as MORE frames followed by the REQUEST */
    CONTROL_MORE = 3,    /* a piece of the next REQUEST's payload of this session */
    CONTROL_RESULT = 4,  /* payload: records. A result larger than one frame: MORE, then RESULT */
    CONTROL_DATA = 5,
    CONTROL_CREDIT = 6,
    CONTROL_EOF = 7,
    CONTROL_RESIZE = 8,
    CONTROL_CLOSE = 9,
};

struct control_hello {
    uint64_t wall_ns;      /* host to engine: the time of day, ns since 1970; 0 from the engine */
    uint64_t store_bytes;  /* engine to host: size of the store */
    uint64_t memory_bytes; /* engine to host: the machine's memory */
};

/*
 * What a request may ask for, the records it takes and the records its RESULT carries. CONTAINER
 * is a full id, a unique prefix of one, or a name. [x] may be absent, x* may repeat.
 */
enum control_request {
    CONTROL_CREATE = 1, /* ID NAME BLOB ARGUMENT* ENVIRONMENT* [..all of the specification] -> ID */
    CONTROL_START = 2,  /* CONTAINER -> [MESSAGE]; value NOT_FOUND: command not found (127),
                           NOT_PERMITTED: cannot be executed (126) */
    CONTROL_ATTACH = 3, /* CONTAINER -> ; output from now on, as DATA */
    CONTROL_EXEC = 4,   /* CONTAINER ARGUMENT* ENVIRONMENT* ... -> PROCESS; streams as ATTACH;
                           values as START */
    CONTROL_WAIT = 5,   /* CONTAINER [PROCESS] -> EXIT_CODE [OOM_KILLED] [MESSAGE]; after all DATA
                           and EOF */
    CONTROL_KILL = 6,   /* CONTAINER SIGNAL [PROCESS] -> */
    CONTROL_REMOVE = 7, /* CONTAINER [FORCE] -> ID */
    CONTROL_LIST = 8,   /* -> CONTAINER_STATE* (each a nested list of records, see below) */
    CONTROL_INSPECT = 9, /* CONTAINER -> CONTAINER_STATE */
    CONTROL_LOGS =
        10, /* CONTAINER [FOLLOW] [TAIL] -> ; DATA on streams 1 and 2, then EOF on both */
    CONTROL_AUTHORITY = 11,   /* CONTAINER -> AUTHORITY* (one line of words each) */
    CONTROL_STATISTICS = 12,  /* [CONTAINER] -> COUNTER* */
    CONTROL_PAUSE = 13,       /* CONTAINER -> ; no thread of it runs until UNPAUSE or a KILL */
    CONTROL_UNPAUSE = 14,     /* CONTAINER -> */
    CONTROL_COPY_OUT = 15,    /* CONTAINER PATH -> ; DATA on stream 1 is a tar archive */
    CONTROL_COPY_IN = 16,     /* CONTAINER PATH -> ; DATA on stream 0 is a tar archive */
    CONTROL_TRACE_START = 17, /* -> SIZE (bytes of all rings) FREQUENCY; one session at a time */
    CONTROL_TRACE_STOP = 18,  /* -> DOMAIN*; what was recorded stands still from now on */
    CONTROL_TRACE_READ = 19,  /* OFFSET -> DATA (up to 24 KiB of the rings, abi/trace.h) */
    CONTROL_UPDATE = 20,      /* CONTAINER [MEMORY_LIMIT] [CPU_WEIGHT] [CPU_QUOTA] [CPU_PERIOD]
                                 [THREADS_LIMIT] -> ; what is absent stays as it is */

    CONTROL_BLOB_RESERVE =
        32, /* SIZE (bytes with hash tree) -> RESERVATION EXTENT*; freed at CLOSE */
    CONTROL_BLOB_COMMIT = 33, /* RESERVATION BLOB SIZE (data bytes) -> ; durable when answered */
    CONTROL_BLOB_LIST = 34,   /* -> (BLOB SIZE IN_USE)* */
    CONTROL_BLOB_REMOVE = 35, /* BLOB -> ; BUSY while a container uses it */

    /* Session 0, answered by `oak machine` itself. */
    CONTROL_MACHINE_STATUS = 64, /* -> MESSAGE* (key=value lines) */
    CONTROL_MACHINE_STOP = 65,
    CONTROL_MACHINE_SYNC = 66, /* engine: flush, answer, expect power-off */
};

/* Records: the tag says the type of the value: number (u64), text (no NUL), bytes, or records. */
enum control_record {
    RECORD_CONTAINER = 1,   /* text */
    RECORD_ID = 2,          /* text, 64 hexadecimal digits */
    RECORD_NAME = 3,        /* text, [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most 63 bytes */
    RECORD_BLOB = 4,        /* bytes, 32: the name of a blob, abi/blob.h */
    RECORD_ARGUMENT = 5,    /* text; the first is the program, looked up in PATH if without '/' */
    RECORD_ENVIRONMENT = 6, /* text, NAME=value */
    RECORD_WORKING_DIRECTORY = 7, /* text */
    RECORD_USER = 8,              /* text: user, uid, user:group, uid:gid; looked up in the image */
    RECORD_HOSTNAME = 9,          /* text */
    RECORD_TERMINAL = 10,         /* number: 1 with a terminal */
    RECORD_WINDOW = 11,           /* number: rows << 16 | columns */
    RECORD_OPEN_STDIN = 12,       /* number: 1 keeps stdin; otherwise it reads end of file */
    RECORD_READ_ONLY = 13,        /* number: 1 makes the root read-only */
    RECORD_TMPFS = 14,            /* text: path[:options] */
    RECORD_FILE = 15, /* records PATH, MODE, DATA: put into the container before it starts */
    RECORD_MEMORY_LIMIT = 16, /* number: bytes */
    RECORD_STOP_SIGNAL = 17,  /* number */
    RECORD_LABEL = 18, /* bytes: the host's own notes (JSON), at most 64 KiB, kept as they are */
    RECORD_AUTO_REMOVE = 19, /* number: 1 removes it when it has ended and nobody waits */
    RECORD_PROCESS = 20,   /* number: which exec of a container; 0 is the container's own process */
    RECORD_SIGNAL = 21,    /* number: Linux signal */
    RECORD_FORCE = 22,     /* number */
    RECORD_FOLLOW = 23,    /* number */
    RECORD_TAIL = 24,      /* number: lines */
    RECORD_EXIT_CODE = 25, /* number: 0-255, or 128 + signal */
    RECORD_OOM_KILLED = 26,      /* number: 1 */
    RECORD_MESSAGE = 27,         /* text: one line for the user */
    RECORD_CONTAINER_STATE = 28, /* records ID NAME BLOB STATE CREATED STARTED ENDED EXIT_CODE
                                    OOM_KILLED PROCESS_ID LABEL MEMORY_USED MEMORY_LIMIT
                                    CPU_WEIGHT CPU_QUOTA CPU_PERIOD THREADS_LIMIT */
    RECORD_STATE = 29,           /* text: creating created running paused stopped (OCI), removing */
    RECORD_CREATED = 30,         /* number: wall clock ns */
    RECORD_STARTED = 31,
    RECORD_ENDED = 32,
    RECORD_PROCESS_ID = 33,  /* number */
    RECORD_MEMORY_USED = 34, /* number */
    RECORD_AUTHORITY = 35,   /* text */
    RECORD_COUNTER = 36,     /* records NAME, VALUE */
    RECORD_VALUE = 37,       /* number */
    RECORD_PATH = 38,        /* text */
    RECORD_MODE = 39,        /* number: Linux mode bits */
    RECORD_DATA = 40,        /* bytes */
    RECORD_SIZE = 41,        /* number: bytes */
    RECORD_RESERVATION = 42, /* number */
    RECORD_EXTENT = 43,      /* records OFFSET SIZE: where in the store file the next bytes go */
    RECORD_OFFSET = 44,      /* number */
    RECORD_IN_USE = 45,      /* number: containers that use it */
    /* A container's limits, as RECORD_MEMORY_LIMIT; 0: none, or the usual weight. */
    RECORD_CPU_WEIGHT = 52,    /* number: 2 to 262144, against other containers'; usually 1024 */
    RECORD_CPU_QUOTA = 53,     /* number: nanoseconds of CPU time in each period, 1 ms or more */
    RECORD_CPU_PERIOD = 54,    /* number: nanoseconds, 1 ms to 1 s; usually 100 ms */
    RECORD_THREADS_LIMIT = 55, /* number: processes and threads */
    RECORD_UNSEALED = 56,      /* number: 1 gives its programs what its personality may do */
    RECORD_FREQUENCY = 46,     /* number: of the TSC, Hz */
    RECORD_DOMAIN = 47,        /* records NAME, VALUE: the number that a trace has for it */
};
