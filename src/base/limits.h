/* Every count, depth and size that input controls has its bound here. */
#ifndef BL_LIMITS_H
#define BL_LIMITS_H

/* Documents */
#define BL_MAX_TOML_SIZE  (1u << 20)
#define BL_MAX_TOML_DEPTH 32
#define BL_MAX_TOML_NODES 65536
#define BL_MAX_CBOR_DEPTH 16
#define BL_MAX_JSON_SIZE  (16u << 20)
#define BL_MAX_JSON_DEPTH 64
#define BL_MAX_NPY_HEADER 65536

/* Evidence */
#define BL_MAX_BUNDLE_SIZE    (8u << 20)
#define BL_MAX_BUNDLE_RECORDS 64
#define BL_MAX_LOG_EVENTS     65536
#define BL_MAX_LOG_RECORD     4096
#define BL_MAX_LOG_SIZE       (6u << 20) /* what an attester writes: fits a bundle */
#define BL_MAX_MERKLE_PATH    16
#define BL_MAX_CMW_EXTENSION  65535
#define BL_MAX_TSM_BLOB       (1u << 20) /* a report or what came with it, from the kernel */
#define BL_MAX_SNP_CERTS      32         /* entries of a host's certificate table */
#define BL_MAX_BOOT_LOG       (4u << 20) /* a TCG event log */
#define BL_MAX_BOOT_EVENTS    16384
#define BL_MAX_BOOT_BANKS     16 /* digest algorithms that a log's header may list */

/* Builds that are measured */
#define BL_MAX_BUILD_FILE        (1u << 30)
#define BL_MAX_PE_SECTIONS       96
#define BL_MAX_UEFI_VARIABLE     (1u << 20)
#define BL_MAX_COMMAND_LINE      65536
#define BL_MAX_FIRMWARE          (64u << 20)
#define BL_MAX_FIRMWARE_SECTIONS 32
#define BL_MAX_GUEST_MEMORY      (256u << 20) /* that firmware may list to be set up */
#define BL_MAX_VCPUS             4096
#define BL_MAX_EIF_SECTIONS      32
#define BL_MAX_EIF_CERT          65536

/* HTTP */
#define BL_MAX_HEAD_SIZE   (32u << 10)
#define BL_MAX_HEADERS     100
#define BL_MAX_TARGET_SIZE 4096

/* The local proxy */
#define BL_MAX_PROXY_CONNECTIONS 256
#define BL_MAX_PROXY_HELD        (8u << 20) /* bytes of a request's body that can be sent again */
#define BL_MAX_PROXY_BODY        (16ull << 30)

/* Tensors and models */
#define BL_MAX_TENSORS     256 /* inputs or outputs of one request */
#define BL_MAX_TENSOR_NAME 256
#define BL_MAX_MODEL_NAME  128
#define BL_MAX_BATCH       64      /* requests, and rows, that one run answers together */
#define BL_MAX_WAIT_US     1000000 /* that a request waits for them */
#define BL_MAX_GRAPH_NODES (1u << 20)
#define BL_MAX_GRAPH_DEPTH 16
#define BL_MAX_SEQUENCE    (1u << 24)   /* tensors in one */
#define BL_MAX_FUNCTIONS   1024         /* of one model */
#define BL_MAX_MAPS        64           /* values of a model that are maps */
#define BL_MAX_NODE_EDGES  (1u << 16)   /* inputs, outputs or attributes of one node */
#define BL_MAX_FOLDED      (256u << 20) /* bytes of constants computed while planning */
#define BL_MAX_NODE_WORK   (1ull << 43) /* multiply-adds of one node */
#define BL_MAX_SLOW_WORK   (1ull << 36) /* the same where plain loops do it */
#define BL_MAX_FOLDED_WORK (1ull << 33) /* the same of all that is computed while planning */
#define BL_MAX_DFT         (1 << 24)    /* points of one transform */
#define BL_MAX_BOX_PAIRS   (1ull << 32) /* boxes compared by one NonMaxSuppression */

/* Pipelines */
#define BL_MAX_ARCHIVE_MEMBERS 64
#define BL_MAX_ARCHIVE_NAME    100
#define BL_MAX_PIPELINE_STEPS  32           /* of one input or output */
#define BL_MAX_PIPELINE_RUN    (512u << 20) /* bytes that the steps of one run may take */
#define BL_MAX_IMAGE_SIDE      32768        /* samples */
#define BL_MAX_IMAGE_SAMPLES   40000000     /* of a decoded picture, channels included */
#define BL_MAX_IMAGE_CHUNK     (8u << 20)   /* of a PNG's texts and profiles */
#define BL_MAX_VOCABULARY      (1u << 20)   /* entries */

/* Models of ai.onnx.ml */
#define BL_MAX_TREE_NODES   (1 << 28) /* of an ensemble; support vectors of a machine */
#define BL_MAX_TREE_FEATURE (1 << 28) /* number of a feature */
#define BL_MAX_TREE_TARGETS (1 << 20) /* targets or classes */
#define BL_MAX_SVM_CLASSES  4096

/* Language models */
#define BL_MAX_GGUF_VALUES      65536
#define BL_MAX_GGUF_TENSORS     65536
#define BL_MAX_GGUF_NAME        65535
#define BL_MAX_GGUF_ALIGNMENT   65536
#define BL_MAX_LLM_LAYERS       1024
#define BL_MAX_LLM_WIDTH        65536
#define BL_MAX_LLM_HEADS        1024
#define BL_MAX_LLM_HEAD         1024 /* elements of one */
#define BL_MAX_LLM_INNER        (1u << 20)
#define BL_MAX_LLM_EXPERTS      1024
#define BL_MAX_LLM_EXPERTS_USED 64
#define BL_MAX_LLM_CONTEXT      (1u << 24)   /* tokens */
#define BL_MAX_LLM_DRAFT        16           /* tokens that one append brings */
#define BL_MAX_LLM_ROWS         8192         /* tokens that go through the layers together */
#define BL_MAX_LLM_PASS         (1ull << 33) /* bytes of tokens on their way through the layers */
#define BL_MAX_KV_PAGE          (1u << 30)   /* bytes of a page of keys and values */
#define BL_MAX_KV_PAGES         (1u << 26)
#define BL_MAX_TEMPLATE_SIZE    (1u << 20) /* bytes of a chat template */
#define BL_MAX_TEMPLATE_NODES   65536
#define BL_MAX_TEMPLATE_DEPTH                                                                      \
    64 /* of what is written within each other, and of macros that call                            \
        */
#define BL_MAX_TEMPLATE_TREE    512          /* nodes below each other in one expression */
#define BL_MAX_TEMPLATE_NESTING 2048         /* of one rendering */
#define BL_MAX_TEMPLATE_STEPS   4000000      /* of one rendering */
#define BL_MAX_TEMPLATE_MEMORY  (256u << 20) /* of one rendering */
#define BL_MAX_JINJA_KEYS       4096         /* of one dict */
#define BL_MAX_PROMPT_SIZE      (64u << 20)  /* of a text that is tokenized */
#define BL_MAX_LOGPROBS         20           /* tokens told beside each of an answer */
#define BL_MAX_LOGIT_BIAS       1024         /* tokens of one request */
#define BL_MAX_STOPS            16           /* texts that end an answer */
#define BL_MAX_STOP_SIZE        1024         /* bytes of one */
#define BL_MAX_DRAFTS           16           /* tokens guessed ahead */
#define BL_MAX_TOKEN_TEXT       1024         /* bytes of a token that a grammar may let through */
#define BL_MAX_GRAMMAR_OPS      (1u << 18)   /* steps of one grammar */
#define BL_MAX_GRAMMAR_SETS     4096         /* sets of bytes */
#define BL_MAX_GRAMMAR_DEPTH    126          /* calls and loops within each other */
#define BL_MAX_GRAMMAR_PLACES   8192         /* of a grammar that a text may stand at, at once */
#define BL_MAX_GRAMMAR_STATES   (1u << 14)   /* kept of one answer */
#define BL_MAX_GRAMMAR_MEMORY   (16u << 20)  /* for them */
#define BL_MAX_GRAMMAR_MASKS    64           /* kept of one answer */
#define BL_MAX_SCHEMA_NODES     16384        /* schemas within one schema */
#define BL_MAX_SCHEMA_DEPTH     64           /* references and alternatives followed */
#define BL_MAX_PATTERN_SIZE     4096         /* bytes of a regular expression */
#define BL_MAX_PATTERN_DEPTH    64
#define BL_MAX_PATTERN_REPEAT   65535

/* What a request may ask of a language model */
#define BL_MAX_MESSAGES  4096
#define BL_MAX_TOOLS     128
#define BL_MAX_TOOL_NAME 64
#define BL_MAX_CHOICES   16  /* answers to one prompt */
#define BL_MAX_PROMPTS   256 /* of one request */
#define BL_MAX_ANSWERS   256 /* prompts times choices */

#endif
