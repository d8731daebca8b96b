/* Methods that are filters too. */
#ifndef BL_LLM_JINJA_TEXTS_H
#define BL_LLM_JINJA_TEXTS_H

#include "llm/jinja/eval.h"

/* v is a text. */
bl_jinja_value bl_jinja_upper(bl_jinja_run *r, const bl_jinja_value *v,
                              const bl_jinja_arguments *a);
bl_jinja_value bl_jinja_lower(bl_jinja_run *r, const bl_jinja_value *v,
                              const bl_jinja_arguments *a);
bl_jinja_value bl_jinja_title(bl_jinja_run *r, const bl_jinja_value *v,
                              const bl_jinja_arguments *a);
bl_jinja_value bl_jinja_capitalize(bl_jinja_run *r, const bl_jinja_value *v,
                                   const bl_jinja_arguments *a);
bl_jinja_value bl_jinja_strip(bl_jinja_run *r, const bl_jinja_value *v,
                              const bl_jinja_arguments *a);
bl_jinja_value bl_jinja_replace(bl_jinja_run *r, const bl_jinja_value *v,
                                const bl_jinja_arguments *a);
/* v is a dict: its pairs, as lists of two. */
bl_jinja_value bl_jinja_items(bl_jinja_run *r, const bl_jinja_value *v,
                              const bl_jinja_arguments *a);

#endif
