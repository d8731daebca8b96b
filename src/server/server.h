/* The service: listeners, attested TLS, HTTP, models.  One per process. */
#ifndef BL_SERVER_H
#define BL_SERVER_H

#include "server/config.h"

typedef struct bl_server bl_server;

/* Makes keys and certificates, loads the models, opens the listeners; nothing is accepted yet.
 *
 * config  borrowed until bl_server_free()
 * Errors: IO (port in use, no permission, no space), INPUT, those of loading models */
BLIND_MUST_USE blind_code bl_server_new(const bl_config *config, bl_server **out, blind_error *err);
/* Serves until SIGTERM or SIGINT, or bl_server_stop(); then drains.  SIGHUP reads tokens and the
 * installed certificate chain again.
 * Errors: TIMEOUT when requests were still running after --drain-s */
BLIND_MUST_USE blind_code bl_server_run(bl_server *server, blind_error *err);
/* From any thread. */
void     bl_server_stop(bl_server *server);
void     bl_server_free(bl_server *server);
uint16_t bl_server_port(const bl_server *server, unsigned where); /* of enum BL_ON_... */

#endif
