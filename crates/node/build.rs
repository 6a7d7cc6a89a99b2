//! Sets the linker arguments an addon needs; among them that it is never unloaded, as its threads outlive a worker.

fn main() {
    napi_build::setup();
}
