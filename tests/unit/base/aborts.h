/* aborts.h - for tests of what must end the process: runs it in a child. */
#pragma once
#include "test.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/** True if @fn(@arg) aborts; its message is dropped, and so is whatever else it did. */
static inline bool aborts(void (*fn)(void *arg), void *arg)
{
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        if (null >= 0)
            (void)dup2(null, STDERR_FILENO);
        (void)signal(SIGABRT, SIG_DFL); /* cmocka's own handler would call it a failure */
        fn(arg);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
