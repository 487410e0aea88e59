/* SPDX-License-Identifier: Apache-2.0 */
/* pause.c - the process that holds a pod's namespaces: it sleeps, lets the kernel reap its
 * children, and ends on SIGTERM and SIGINT. No libc: it becomes a static program of a few hundred
 * bytes. */

#if defined(__x86_64__)
enum { SYS_RT_SIGACTION = 13, SYS_EXIT = 60, SYS_PPOLL = 271 };
static long syscall4(long n, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    long ret;

    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return ret;
}
#elif defined(__aarch64__)
enum { SYS_RT_SIGACTION = 134, SYS_EXIT = 93, SYS_PPOLL = 73 };
static long syscall4(long n, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = n;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;

    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}
#else
#error "pause.c knows no system calls of this processor"
#endif

enum { SIGNAL_INT = 2, SIGNAL_TERM = 15, SIGNAL_CHILD = 17, SIGNAL_SET_BYTES = 8 };
enum { FLAG_RESTORER = 0x04000000 };
struct kernel_sigaction { /* as rt_sigaction(2) takes it */
    void (*handler)(int signum);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask;
};

static void leave(int signum)
{
    (void)signum;
    for (;;)
        syscall4(SYS_EXIT, 0, 0, 0, 0);
}

static void unreached(void)
{
    leave(0);
}

static void on_signal(long signum, void (*handler)(int))
{
    struct kernel_sigaction action = {handler, FLAG_RESTORER, unreached, 0};

    syscall4(SYS_RT_SIGACTION, signum, (long)&action, 0, SIGNAL_SET_BYTES);
}

__attribute__((noreturn)) void _start(void)
{
    on_signal(SIGNAL_INT, leave);
    on_signal(SIGNAL_TERM, leave);
    on_signal(SIGNAL_CHILD, (void (*)(int))1L); /* ignored: children need no reaping */
    for (;;)
        syscall4(SYS_PPOLL, 0, 0, 0, 0);
}
