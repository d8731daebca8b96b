/* Telling systemd how far the service is.  Nothing happens where nobody asked. */
#ifndef BL_NOTIFY_H
#define BL_NOTIFY_H

/* "READY=1", "STOPPING=1", "RELOADING=1", "STATUS=..." */
void bl_notify(const char *state);

#endif
