// Activations of the values that kernels with V lanes (1 or 4) read at a time, of type T.

#include "common/activation.wgsl"

fn activate_lanes(x: ${T}, slope: f32) -> ${T} {
#if V == 4
    return activate(x, slope);
#else
    return activate(vec4(x), slope).x;
#endif
}

fn activate_backward_lanes(dy: ${T}, y: ${T}, slope: f32) -> ${T} {
#if V == 4
    return activate_backward(dy, y, slope);
#else
    return activate_backward(vec4(dy), vec4(y), slope).x;
#endif
}
