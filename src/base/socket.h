/* What our TCP sockets ask of the kernel. */
#ifndef BL_SOCKET_H
#define BL_SOCKET_H

struct sockaddr;

/* Bytes leave as soon as they are written.  Towards this machine itself nothing is congested, and
 * they are not paced either: a system's default may be BBR, which spreads a burst over time by what
 * it believes of the path.  A wish: where the kernel does not grant it, the socket works as well.
 */
void bl_socket_hurry(int fd, const struct sockaddr *peer);

#endif
