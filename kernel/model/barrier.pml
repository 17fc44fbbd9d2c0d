/*
 * The barrier of core/barrier.c: when is the memory of an unlinked object free? Two objects that are
 * destroyed one after the other, by one CPU, or each by another; three CPUs enter the kernel, look
 * objects up, use them, and leave. A count per CPU is odd inside. Or the first object is a thread that a
 * CPU runs and shows to the others, until it is dead and may be destroyed.
 *
 * Properties: nobody uses an object whose memory was freed; both are freed in the end.
 */
#define CPUS    3
#define OBJECTS 2
#define VISITS  2 /* of a CPU that only looks */

byte entries[CPUS]; /* odd: inside. Modulo 4: equal again by chance only makes others wait */
bool linked[OBJECTS] = true;
bool freed[OBJECTS];
bool shown; /* the first object, as the current thread of CPU 0 */
bool dead = true;

inline kernel_enter(me) { entries[me] = (entries[me] + 1) % 4 }
inline kernel_leave(me) { entries[me] = (entries[me] + 1) % 4 }

inline look_and_use(which)
{
    if
    :: linked[which] ->
       assert(!freed[which]); /* handle_object reads its type */
       holds = true
    :: which == 0 && shown -> holds = true
    :: else -> holds = false
    fi;
    if
    :: holds -> assert(!freed[which])
    :: else
    fi
}

/* A system call that looks one object up and uses it for a while. */
proctype visitor(byte me)
{
    byte visits, which;
    bool holds;
    do
    :: visits < VISITS ->
       kernel_enter(me);
       if
       :: which = 0
       :: which = 1
       fi;
       look_and_use(which);
       kernel_leave(me);
       visits++
    :: else -> break
    od
}

/* trap_attend: the thread that the CPU runs ends. */
proctype runner(byte me)
{
    kernel_enter(me);
#ifdef BUG_SHOWN_LATE
    dead = true;
    shown = false;
#else
    shown = false;
    dead = true;
#endif
    kernel_leave(me)
}

/*
 * barrier_defer and barrier_poll of one CPU. arrived and waiting are bits per object; snapshots are
 * taken CPU by CPU, while the others go on.
 */
#ifdef BUG_LAST_CPU
#define LAST 2
#else
#define LAST CPUS
#endif
inline snapshot()
{
    i = 0;
    do
    :: i < LAST ->
       seen[i] = (i == me -> 0 : entries[i]);
       i++
    :: else -> i = 0; break
    od
}

inline passed(result)
{
    result = true;
    i = 0;
    do
    :: i < CPUS ->
       if
       :: (seen[i] & 1) && entries[i] == seen[i] -> result = false
       :: else
       fi;
       i++
    :: else -> i = 0; break
    od
}

inline poll()
{
    do
    :: true;
       if
       :: waiting != 0 ->
          passed(good);
          if
          :: !good -> break
          :: else
          fi;
          d_step {
              freed[0] = freed[0] || (waiting & 1);
              freed[1] = freed[1] || (waiting & 2);
              waiting = 0
          }
       :: else
       fi;
       if
       :: arrived == 0 -> break
       :: else
       fi;
       d_step { waiting = arrived; arrived = 0 };
       snapshot()
    od
}

inline destroy(which)
{
#ifdef BUG_SNAPSHOT_FIRST
    waiting = waiting | (1 << which);
    snapshot();
    linked[which] = false
#else
    linked[which] = false;
#ifdef BUG_ONE_LIST
    /* without a list of arrivals: what comes while others wait is freed with them */
    if
    :: waiting != 0 -> waiting = waiting | (1 << which)
    :: else -> arrived = arrived | (1 << which)
    fi
#else
    arrived = arrived | (1 << which)
#endif
#endif
}

/* It destroys `first` to `last` - 1, and polls on each way out and when idle. */
proctype destroyer(byte me; byte first; byte last)
{
    byte next = first;
    byte arrived, waiting, i;
    byte seen[CPUS];
    bool good;
    do
    :: next < last && dead ->
       kernel_enter(me);
       destroy(next);
       next++;
       poll();
       kernel_leave(me)
    :: next == last && (arrived | waiting) != 0 ->
       kernel_enter(me);
       poll();
       kernel_leave(me)
    :: next == last && (arrived | waiting) == 0 -> break
    od;
    assert(freed[first] && freed[last - 1])
}

init
{
    atomic {
        if
        :: run destroyer(0, 0, 2); run visitor(1); run visitor(2)
        :: run destroyer(0, 0, 1); run destroyer(1, 1, 2); run visitor(2)
        :: shown = true; dead = false; run runner(0); run destroyer(1, 0, 1); run visitor(2)
        fi
    }
}
