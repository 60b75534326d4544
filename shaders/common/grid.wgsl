// Number of a workgroup in a grid that had to be folded over x and y (65,535 per axis).
fn linear_group(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.x + group.y * groups.x;
}

// Row of a workgroup in a grid of columns along x and rows along y, which go on in z beyond that limit.
fn row_of_group(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.z * groups.y + group.y;
}
