/* How ranks of the stand-in collectives wait for each other. */
#ifndef RANKS_H
#define RANKS_H

enum { RANKS_SPIN, RANKS_FUTEX, RANKS_SOCKET };

#endif
