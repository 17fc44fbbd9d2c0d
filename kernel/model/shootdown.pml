/*
 * Shootdown: x86_64/shootdown.c, halves_load of core/switch.h, spinning of core/lock.c. One space
 * with two pages under one map's lock, three CPUs: two load the space, use it, and each unmaps one
 * page; the third loads and leaves it. A CPU's buffer takes a translation in whenever the space is
 * loaded and the entry is there; a write to CR3 empties it.
 *
 * Properties: when a page's unmap has returned, its frame is somebody else's: no CPU uses it through
 * an old translation; page tables that were freed are not walked; nobody waits for ever (initiators
 * for each other, or for the lock).
 */
#define CPUS  3
#define PAGES 2
#define LOADS 2 /* of the CPU that comes and goes */

bool present[PAGES] = true; /* page table entries */
bool reused[PAGES];         /* the frame */
byte loaded;                /* region_map.loaded: bit per CPU */
bit map_lock;
byte pending[CPUS]; /* bit per initiator */
byte left[CPUS];    /* shootdown_own.cpus_left of the initiator */
byte page[CPUS];    /* and its address */
bool cr3[CPUS];     /* holds the space */
bool cached[CPUS * PAGES];
byte users = CPUS;   /* threads that are in the space, or will be */
bool tables_freed;
#define buffer(cpu, which) cached[(cpu) * PAGES + (which)]

inline serve(me)
{
    d_step { taken = pending[me]; pending[me] = 0 };
    initiator = 0;
    do
    :: initiator < CPUS ->
       if
       :: taken & (1 << initiator) ->
          d_step {
              buffer(me, page[initiator]) = false;
          };
          left[initiator] = left[initiator] & ~(1 << me)
       :: else
       fi;
       initiator++
    :: else -> initiator = 0; taken = 0; break
    od
}

inline space_load(me)
{
#ifdef BUG_ANNOUNCE_LATE
    d_step { cr3[me] = true; buffer(me, 0) = false; buffer(me, 1) = false };
    loaded = loaded | (1 << me)
#else
    loaded = loaded | (1 << me);
    d_step { cr3[me] = true; buffer(me, 0) = false; buffer(me, 1) = false }
#endif
}

inline space_leave(me)
{
#ifdef BUG_LEAVE_EARLY
    loaded = loaded & ~(1 << me);
    d_step { cr3[me] = false; buffer(me, 0) = false; buffer(me, 1) = false }
#else
    d_step { cr3[me] = false; buffer(me, 0) = false; buffer(me, 1) = false };
    loaded = loaded & ~(1 << me)
#endif
}

/* What user code does with a page, as far as a translation is there. */
inline use(me, which)
{
    assert(!(buffer(me, which) && reused[which]))
}

inline map_lock_take(me)
{
    do
    :: atomic { map_lock == 0 -> map_lock = 1 }; break
#ifndef BUG_NO_SERVICE
    :: map_lock == 1 && pending[me] != 0 -> serve(me)
#endif
    od
}

/* shootdown_run, under the map's lock */
inline shootdown(me, which)
{
    mask = loaded;
    if
    :: mask & (1 << me) -> buffer(me, which) = false
    :: else
    fi;
    mask = mask & ~(1 << me);
    page[me] = which;
    left[me] = mask;
    target = 0;
    do
    :: target < CPUS ->
       if
       :: mask & (1 << target) -> pending[target] = pending[target] | (1 << me)
       :: else
       fi;
       target++
    :: else -> target = 0; break
    od;
    do
#ifdef BUG_NO_WAIT
    :: true -> break
#else
    :: left[me] == 0 -> break
#endif
    :: left[me] != 0 && pending[me] != 0 -> serve(me)
    od;
    mask = 0
}

inline unmap(me, which)
{
    map_lock_take(me);
    present[which] = false;
    shootdown(me, which);
    reused[which] = true;
    map_lock = 0
}

/* Uses both pages, unmaps its own, and goes on using the other; interrupts come all the while. */
active [2] proctype owner()
{
    byte taken, initiator, mask, target;
    bool did;
    space_load(_pid);
    do
    :: use(_pid, 0)
    :: use(_pid, 1)
    :: pending[_pid] != 0 -> serve(_pid)
    :: !did -> unmap(_pid, _pid); did = true
    :: did && pending[_pid] == 0 -> break
    od;
    users--;
    space_leave(_pid);
end: /* idle: whoever saw the space here is answered still */
    do
    :: pending[_pid] != 0 -> serve(_pid)
    od
}

/* A CPU on which threads of the space come and go. */
active proctype guest()
{
    byte taken, initiator, loads;
    do
    :: loads < LOADS ->
       space_load(_pid);
       do
       :: use(_pid, 0)
       :: use(_pid, 1)
       :: pending[_pid] != 0 -> serve(_pid)
       :: true -> break
       od;
       loads++;
       users = (loads == LOADS -> users - 1 : users);
       space_leave(_pid)
    :: else -> break
    od;
end:
    do
    :: pending[_pid] != 0 -> serve(_pid)
    od
}

/* It walks the tables whenever it likes, whatever the CPU executes. */
#define WALK(cpu, which)                                                                           \
    atomic { cr3[cpu] && present[which] && !buffer(cpu, which) -> buffer(cpu, which) = true }

active proctype hardware()
{
end:
    do
    :: WALK(0, 0)
    :: WALK(0, 1)
    :: WALK(1, 0)
    :: WALK(1, 1)
    :: WALK(2, 0)
    :: WALK(2, 1)
    :: tables_freed && (cr3[0] || cr3[1] || cr3[2]) -> assert(false)
    od
}

/* region_map_destroy_step, when no thread is in the space any more: not while it is loaded */
active proctype destroyer()
{
    users == 0;
    loaded == 0;
    tables_freed = true
}
