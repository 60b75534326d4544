// Where the step's row of the metrics ring [p.slots, METRICS] begins. Rows are counted round the ring: no slot is beyond its end.
fn metrics_row() -> u32 {
    return state.slot % p.slots * METRICS;
}
