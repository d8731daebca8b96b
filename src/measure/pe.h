/* PE/COFF images, as firmware reads and measures them.
 *
 * Source: Microsoft PE Format, revision 11; Windows Authenticode Portable Executable Signature
 * Format, "Calculating the PE Image Hash"; TCG PC Client Platform Firmware Profile 1.06, 3.3.4.5.
 */
#ifndef BL_PE_H
#define BL_PE_H

#include "base/limits.h"
#include "crypto/hash.h"

typedef struct {
    char       name[9];      /* NUL-terminated */
    uint32_t   virtual_size; /* bytes in memory */
    uint32_t   address;      /* in memory, relative to the image */
    uint32_t   offset;       /* of raw in the file */
    blind_span raw;          /* bytes in the file; borrows from it */
} bl_pe_section;

typedef struct {
    blind_span    file;
    size_t        checksum_at; /* 4 bytes that no digest covers */
    size_t        security_at; /* 8 bytes that none covers; 0: no such directory */
    uint32_t      headers_size;
    uint32_t      signatures_size; /* at the end of the file */
    bl_pe_section sections[BL_MAX_PE_SECTIONS];
    size_t        sections_len;
} bl_pe;

/* Reads headers and section table.  What two readers could understand differently is refused:
 * sections that overlap each other or the headers, signatures that are not at the end.
 * Errors: INPUT, LIMIT.  *out is empty on failure. */
BLIND_MUST_USE blind_code bl_pe_parse(blind_span file, bl_pe *out, blind_error *err);

/* The first section of this name; NULL: none. */
const bl_pe_section *bl_pe_find(const bl_pe *pe, const char *name);
/* What a section holds: its bytes without the filling up to the file's alignment.  False when it is
 * larger in memory than in the file. */
bool bl_pe_contents(const bl_pe_section *section, blind_span *out);

/* The Authenticode digest: signing an image does not change it.  Errors: MEMORY */
BLIND_MUST_USE blind_code bl_pe_digest(const bl_pe *pe, bl_hash hash, uint8_t *out,
                                       blind_error *err);

#endif
