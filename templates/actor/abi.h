/* abi.h: what the host and this code share. One definition with compiler/abi.py, checked behind it. */
struct pdc_port {
    u64 head; /* messages published, ever: the producing side writes it */
    u8 pad0[PDC_LINE - 8];
    u64 tail; /* messages consumed, ever: the consuming side writes it */
    u64 claimed;
    u8 pad1[PDC_LINE - 16];
    void *slots; /* constant during a burst, from here on */
    u64 mask;
    u64 bound;
    u64 *source; /* of an output: the input it answers */
    u64 policy;
    u64 capacity;
    u8 pad2[PDC_LINE - 48];
};

struct pdc_actor {
    pdc_port *input;
    pdc_port *output;
    void *state;
    void *log;
    u64 log_size;
    void *heap;
    const u32 *watch;
    struct pdc_population *population;
    u32 stop; /* the host writes this line */
    u32 terminating;
    u32 record_origin;
    u32 event;
    i64 fuel;
    const u64 *strings;
    u8 pad1[PDC_LINE - 32];
    i32 status; /* the actor writes this line, when a burst ends */
    i32 code;
    i32 line;
    i32 staged;
    f64 timeout;
    u64 produced;
    u64 log_used;
    u8 pad2[PDC_LINE - 40];
    u64 processed; /* counters of the actor */
    u64 sent;
    u64 rejected;
    u64 timeouts;
    u64 skipped;
    u8 pad3[PDC_LINE - 40];
};

struct pdc_population {
    void *instances;
    void *buckets;
    u64 mask;
    u64 secret;
    u64 factor;
    u8 pad0[PDC_LINE - 40];
    u64 used; /* compiled code writes this line */
    u64 vacant;
    u64 count;
    u64 begun;
    u64 current;
    u64 awake;
    u64 born;
    u8 pad1[PDC_LINE - 56];
};

struct pdc_residency_record {
    pdc_actor *actor; /* lines 0 to 2: the host writes them */
    pdc_actor *local;
    u8 *state;
    u8 *mirror;
    u64 state_size;
    u8 *journal;
    u64 journal_size;
    u64 *strings;
    u8 *slots;
    u8 *stage;
    u64 stage_mask;
    u64 input_size;
    u64 output_size;
    u64 string_count;
    u64 burst;
    u64 budget;
    u32 leave;
    u32 load;
    u64 epoch;
    u64 idle_ns;
    u64 *sources;
    pdc_port *input;
    pdc_port *output;
    u8 pad0[PDC_LINE - 48];
    u64 parked; /* the device writes this line, when the actor parks */
    u64 busy_ns;
    u64 polls;
    u64 peak;
    u8 pad1[PDC_LINE - 32];
};

enum pdc_policy { PDC_BLOCK = 0, PDC_REJECT = 1, PDC_DROP_OLDEST = 2 };
enum pdc_leave { PDC_STAY = 0, PDC_LEAVE_WHEN_IDLE = 1, PDC_LEAVE_NOW = 2 };
