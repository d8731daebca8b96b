/* Pictures: whatever comes out has the size it says, grey and in colours. */
#include "onnx/image.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t channels = 1; channels <= 3; channels += 2) {
        bl_image image;
        if (bl_image_decode(bl_span(data, size), channels, &image, NULL) == BLIND_OK) {
            size_t   len = image.height * image.width * channels;
            bl_image copy;
            if (image.channels != channels ||
                bl_image_alloc(image.height, image.width, channels, &copy, NULL) != BLIND_OK)
                abort();
            memcpy(copy.samples, image.samples, len); /* all of it can be read */
            bl_image_done(&copy);
        }
        bl_image_done(&image);
    }
    return 0;
}
