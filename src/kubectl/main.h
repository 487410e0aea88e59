/* main.h - the entry of `skiff kubectl`. Layer: kubectl. Threads: main thread. */
#pragma once

/** Runs the command line @argv[1..] ("get", "pods", ...). Returns the exit status. */
int kubectl_main(int argc, char **argv);
