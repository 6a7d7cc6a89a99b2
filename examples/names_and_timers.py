"""Find actors by name and path, and send to them later."""

import threading

import iris


def main() -> None:
    """Register two actors and let a timer ring."""
    rang = threading.Event()
    with iris.Runtime() as rt:
        bell = rt.spawn(lambda message: rang.set())
        rt.register("bell", bell)
        rt.register_path("/house/door/bell", bell)
        rt.register_path("/house/kitchen", rt.spawn_observed_handler())
        print([path for path, _ in rt.list_children("/house")])
        print([path for path, _ in rt.list_children_direct("/house")])
        rt.send_after(bell, 20, b"ring")
        print("rang:", rang.wait(10))
        rt.stop(bell)
        print("after its end:", rt.whereis("bell"))


if __name__ == "__main__":
    main()
