"""Threads that share the copies of big loops.

A crew is a block of memory and some threads that wait in compiled code. Whoever calls a generated function
publishes a loop there, works on its pieces like everybody else, and goes on when all are done. Pieces do not
depend on how many threads there are, and no two of them write the same place: results are the same to the
last bit. A caller that finds the crew at work on another loop does its own alone.

The text below is C's idea of it::

    void run(crew, task, job, count, grain) {       // task(job, from, to) on pieces of ``grain`` copies
        if (crew->alone || !compare_and_swap(&crew->busy, 0, 1)) { task(job, 0, count); return; }
        crew->task, job, count, grain = ...; crew->next = 0; crew->open = 1;
        if (crew->sleepers) { lock; broadcast; unlock; }
        pieces(crew);
        crew->open = 0;
        while (crew->active) sched_yield();         // nobody reads the job any more
        crew->busy = 0;
    }
    void work(crew) for (;;) {                      // each thread of the crew
        for (n = 0; !crew->open; n++) if (n < patience) sched_yield(); else sleep until crew->open;
        crew->active++; if (crew->open) pieces(crew); crew->active--;
    }

A worker counts itself as active before it looks at ``open`` again, and the caller closes before it looks at
``active``: with sequentially consistent accesses one of the two sees the other.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import threading

import numpy as np

from symnum.codegen import machine

__all__ = ["RUN", "crew"]

# Places in the block, in bytes: one cache line for each number that several threads write.
_OPEN, _NEXT, _ACTIVE, _SLEEPERS, _ALONE, _TASK, _JOB, _COUNT, _GRAIN, RUN, _MUTEX, _CONDITION, _SIZE = (
    64, 128, 192, 256, 320, 384, 392, 400, 408, 416, 448, 576, 704,
)  # fmt: skip
_PATIENCE = 200  # looks at ``open`` before a worker goes to sleep: a hundred microseconds or so

_TEXT = f"""
declare i32 @sched_yield()
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)

define void @begin(ptr %crew) nounwind {{
  %mutex = getelementptr i8, ptr %crew, i64 {_MUTEX}
  %condition = getelementptr i8, ptr %crew, i64 {_CONDITION}
  call i32 @pthread_mutex_init(ptr %mutex, ptr null)
  call i32 @pthread_cond_init(ptr %condition, ptr null)
  ret void
}}

define internal void @pieces(ptr %crew) nounwind {{
entry:
  %next = getelementptr i8, ptr %crew, i64 {_NEXT}
  %task.p = getelementptr i8, ptr %crew, i64 {_TASK}
  %job.p = getelementptr i8, ptr %crew, i64 {_JOB}
  %count.p = getelementptr i8, ptr %crew, i64 {_COUNT}
  %grain.p = getelementptr i8, ptr %crew, i64 {_GRAIN}
  %task = load ptr, ptr %task.p
  %job = load ptr, ptr %job.p
  %count = load i64, ptr %count.p
  %grain = load i64, ptr %grain.p
  br label %take
take:
  %k = atomicrmw add ptr %next, i64 1 seq_cst
  %from = mul i64 %k, %grain
  %left = icmp ult i64 %from, %count
  br i1 %left, label %do, label %end
do:
  %last = add i64 %from, %grain
  %whole = icmp ult i64 %last, %count
  %to = select i1 %whole, i64 %last, i64 %count
  call void %task(ptr %job, i64 %from, i64 %to)
  br label %take
end:
  ret void
}}

define void @run(ptr %crew, ptr %task, ptr %job, i64 %count, i64 %grain) nounwind {{
entry:
  %alone.p = getelementptr i8, ptr %crew, i64 {_ALONE}
  %alone.n = load atomic i64, ptr %alone.p seq_cst, align 8
  %alone = icmp ne i64 %alone.n, 0
  br i1 %alone, label %serial, label %try
try:
  %pair = cmpxchg ptr %crew, i64 0, i64 1 seq_cst seq_cst
  %got = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %got, label %publish, label %serial
serial:
  call void %task(ptr %job, i64 0, i64 %count)
  ret void
publish:
  %open = getelementptr i8, ptr %crew, i64 {_OPEN}
  %next = getelementptr i8, ptr %crew, i64 {_NEXT}
  %active = getelementptr i8, ptr %crew, i64 {_ACTIVE}
  %sleepers = getelementptr i8, ptr %crew, i64 {_SLEEPERS}
  %task.p = getelementptr i8, ptr %crew, i64 {_TASK}
  %job.p = getelementptr i8, ptr %crew, i64 {_JOB}
  %count.p = getelementptr i8, ptr %crew, i64 {_COUNT}
  %grain.p = getelementptr i8, ptr %crew, i64 {_GRAIN}
  store ptr %task, ptr %task.p
  store ptr %job, ptr %job.p
  store i64 %count, ptr %count.p
  store i64 %grain, ptr %grain.p
  store atomic i64 0, ptr %next seq_cst, align 8
  store atomic i64 1, ptr %open seq_cst, align 8
  %asleep = load atomic i64, ptr %sleepers seq_cst, align 8
  %some = icmp ne i64 %asleep, 0
  br i1 %some, label %wake, label %work
wake:
  %mutex = getelementptr i8, ptr %crew, i64 {_MUTEX}
  %condition = getelementptr i8, ptr %crew, i64 {_CONDITION}
  call i32 @pthread_mutex_lock(ptr %mutex)
  call i32 @pthread_cond_broadcast(ptr %condition)
  call i32 @pthread_mutex_unlock(ptr %mutex)
  br label %work
work:
  call void @pieces(ptr %crew)
  store atomic i64 0, ptr %open seq_cst, align 8
  br label %wait
wait:
  %others = load atomic i64, ptr %active seq_cst, align 8
  %idle = icmp eq i64 %others, 0
  br i1 %idle, label %end, label %yield
yield:
  call i32 @sched_yield()
  br label %wait
end:
  store atomic i64 0, ptr %crew seq_cst, align 8
  ret void
}}

define void @work(ptr %crew) nounwind {{
entry:
  %open = getelementptr i8, ptr %crew, i64 {_OPEN}
  %active = getelementptr i8, ptr %crew, i64 {_ACTIVE}
  %sleepers = getelementptr i8, ptr %crew, i64 {_SLEEPERS}
  %mutex = getelementptr i8, ptr %crew, i64 {_MUTEX}
  %condition = getelementptr i8, ptr %crew, i64 {_CONDITION}
  br label %look
look:
  %n = phi i64 [ 0, %entry ], [ %n.next, %patient ], [ 0, %awake ], [ 0, %leave ]
  %is = load atomic i64, ptr %open seq_cst, align 8
  %now = icmp ne i64 %is, 0
  br i1 %now, label %join, label %idle
idle:
  %tired = icmp ugt i64 %n, {_PATIENCE}
  br i1 %tired, label %sleep, label %patient
patient:
  %n.next = add i64 %n, 1
  call i32 @sched_yield()
  br label %look
sleep:
  call i32 @pthread_mutex_lock(ptr %mutex)
  atomicrmw add ptr %sleepers, i64 1 seq_cst
  br label %check
check:
  %still = load atomic i64, ptr %open seq_cst, align 8
  %opened = icmp ne i64 %still, 0
  br i1 %opened, label %awake, label %nap
nap:
  call i32 @pthread_cond_wait(ptr %condition, ptr %mutex)
  br label %check
awake:
  atomicrmw sub ptr %sleepers, i64 1 seq_cst
  call i32 @pthread_mutex_unlock(ptr %mutex)
  br label %look
join:
  atomicrmw add ptr %active, i64 1 seq_cst
  %sure = load atomic i64, ptr %open seq_cst, align 8
  %work = icmp ne i64 %sure, 0
  br i1 %work, label %take, label %leave
take:
  call void @pieces(ptr %crew)
  br label %leave
leave:
  atomicrmw sub ptr %active, i64 1 seq_cst
  call i32 @sched_yield()
  br label %look
}}
"""

_lock = threading.Lock()
_crews: dict[int, int] = {}
_blocks: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []  # for ever: threads wait in them


@functools.cache
def _code() -> machine.LoadedObject:
    return machine.load_object(machine.cached_object("object", _TEXT, passes=1, codegen=1))


def crew(threads: int) -> int:
    """The address of the crew of this process with so many threads, the caller's included; 0 for none.

    Windows has none of the functions that the crew waits with.
    """
    if threads < 2 or sys.platform == "win32":
        return 0
    with _lock:
        if threads not in _crews:
            block = np.zeros(_SIZE // 8 + 8, np.int64)
            block = block[-(block.ctypes.data // 8) % 8 :]
            _blocks.append(block)
            address = block.ctypes.data
            code = _code()
            block[RUN // 8] = code.address("run")
            ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("begin"))(address)
            work = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("work"))
            for number in range(threads - 1):
                # daemons: they never come back from the call, which holds no lock of the interpreter
                threading.Thread(target=work, args=(address,), name=f"symnum {number}", daemon=True).start()
            _crews[threads] = address
        return _crews[threads]


def _forked() -> None:
    """In a child process there is nobody to work with."""
    for block in _blocks:
        block[_ALONE // 8] = 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
