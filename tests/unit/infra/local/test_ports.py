import socket

from infra.local import ports


def test_ports_are_free_and_different() -> None:
    chosen = ports.choose(20)
    assert len(set(chosen)) == 20
    assert all(port in ports.RANGE for port in chosen)


def test_a_taken_port_is_not_free() -> None:
    with socket.create_server((ports.HOST, 0)) as server:
        port = server.getsockname()[1]
        assert not ports.is_free(port)
        assert ports.answers(port)
    assert ports.is_free(port)
    assert not ports.answers(port)
