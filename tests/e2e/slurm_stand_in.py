"""Stand-ins for the commands of Slurm that submitit calls: the jobs of an array run on this machine.

`install` writes sbatch, srun, scontrol and sacct, which call this file. A job gets the environment of a job of Slurm,
belongs to no terminal, and starts again after `scontrol requeue`. Resources are not enforced, and no job times out: a
test sends the signal that precedes a time limit or a preemption.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

STATE = "SLURM_STAND_IN"  # the environment variable that names the folder of the queue
COMMANDS = ("sbatch", "srun", "scontrol", "sacct")
FIRST_JOB = 1000


def install(place: Path) -> dict[str, str]:
    """Write the commands into a folder, and return the environment in which they are found."""
    commands, state = place / "bin", place / "queue"
    for folder in (commands, state):
        folder.mkdir(parents=True)
    for name in COMMANDS:
        script = commands / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).resolve()}" {name} "$@"\n')
        script.chmod(0o755)
    return {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", STATE: str(state)}


def queue() -> Path:
    """Return the folder of the queue."""
    return Path(os.environ[STATE])


def flags(script: str) -> dict[str, str]:
    """Return the parameters of a batch script by name."""
    return {name: value.strip("'") for name, value in re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", script, re.MULTILINE)}


def sbatch(path: str) -> None:
    """Queue a batch script."""
    number = FIRST_JOB + len(list(queue().glob("script_*")))
    (queue() / f"script_{number}").write_bytes(Path(path).read_bytes())
    command = [sys.executable, __file__, "schedule", str(number)]
    subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    sys.stdout.write(f"Submitted batch job {number}\n")


def schedule(number: str) -> None:
    """Run the jobs of a batch script, as many at a time as it allows."""
    script = queue() / f"script_{number}"
    given = flags(script.read_text())
    tasks, _, limit = given.get("array", "").partition("%")
    last = tasks.partition("-")[2]
    waiting = [f"{number}_{task}" for task in range(int(last) + 1)] if tasks else [number]
    running: dict[str, subprocess.Popen[bytes]] = {}
    states = dict.fromkeys(waiting, "PENDING")
    while waiting or running:
        while waiting and len(running) < int(limit or 1):
            job = waiting.pop(0)
            running[job] = subprocess.Popen(["bash", str(script)], env=environment(job, given), start_new_session=True)
            states[job] = "RUNNING"
        for job, process in list(running.items()):
            if process.poll() is not None:
                del running[job]
                requeued = queue() / f"requeue_{job}"
                states[job] = "PENDING" if requeued.exists() else "FAILED" if process.returncode else "COMPLETED"
                if requeued.exists():
                    requeued.rename(queue() / f"requeued_{job}")
                    waiting.append(job)
        unfinished = queue() / f"states_{number}.new"
        unfinished.write_text(json.dumps(states))
        unfinished.replace(queue() / f"states_{number}")
        time.sleep(0.1)


def environment(job: str, given: dict[str, str]) -> dict[str, str]:
    """Return the environment of a job."""
    number, _, task = job.partition("_")
    made = {**os.environ, "SLURM_JOB_ID": str(int(number) + int(task or 0)), "STAND_IN_JOB": job}
    if task:
        made |= {"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": task}
    if "cpus-per-task" in given:
        made["SLURM_CPUS_PER_TASK"] = given["cpus-per-task"]
    ones = ("SLURM_NTASKS", "SLURM_NTASKS_PER_NODE", "SLURM_JOB_NUM_NODES")
    zeros = ("SLURM_NODEID", "SLURM_PROCID", "SLURM_LOCALID")
    made |= dict.fromkeys(ones, "1") | dict.fromkeys(zeros, "0")
    return made | {"SLURM_JOB_NAME": given["job-name"], "SLURM_JOB_NODELIST": socket.gethostname()}


def srun(*words: str) -> None:
    """Become the command of a job, its output in the files that the options name."""
    job = os.environ["STAND_IN_JOB"]
    command = list(words)
    for option, descriptor in (("--output", 1), ("--error", 2)):
        place = command.index(option)
        name = command[place + 1].replace("%A_%a", job).replace("%j", job).replace("%t", "0")
        del command[place : place + 2]
        os.dup2(os.open(name, os.O_CREAT | os.O_APPEND | os.O_WRONLY), descriptor)
    command.remove("--unbuffered")
    (queue() / f"pid_{job}").write_text(str(os.getpid()))
    os.execvp(command[0], command)


def scontrol(action: str, job: str) -> None:
    """Note that a job is to start again after its end."""
    assert action == "requeue"
    (queue() / f"requeue_{job}").touch()


def sacct(*_: str) -> None:
    """Show the state of every job."""
    sys.stdout.write("JobID|State|NodeList\n")
    for path in queue().glob("states_*[0-9]"):
        for job, state in json.loads(path.read_text()).items():
            sys.stdout.write(f"{job}|{state}|{socket.gethostname()}\n")


def jobs(state: Path) -> dict[str, int]:
    """Return the process of each job that has started."""
    return {path.name.removeprefix("pid_"): int(path.read_text()) for path in state.glob("pid_*")}


def end(state: Path) -> None:
    """Kill what is left of the jobs."""
    for process in jobs(state).values():
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
