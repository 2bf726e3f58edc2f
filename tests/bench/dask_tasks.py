"""Prints what `dusk bench tasks --json` prints, of dask.distributed.

    dask_tasks.py WORKERS TASKS
"""

import json
import statistics
import sys
import time

import dask_cluster

TRIPS = 200


def noop(_):
    """The task."""


def trip_us(client, number):
    start = time.perf_counter()
    client.submit(noop, number, pure=False).result()
    return 1e6 * (time.perf_counter() - start)


def measure(client, tasks):
    client.gather(client.map(noop, range(200), pure=False))
    trips = sorted(trip_us(client, number) for number in range(TRIPS))
    start = time.perf_counter()
    futures = client.map(noop, range(tasks), pure=False)
    client.gather(futures)
    seconds = time.perf_counter() - start
    return {"tasks_per_second": tasks / seconds, "rtt_p50_us": statistics.median(trips),
            "rtt_p99_us": trips[int(0.99 * (TRIPS - 1))]}


if __name__ == "__main__":
    with dask_cluster.client(int(sys.argv[1])) as connection:
        print(json.dumps(measure(connection, int(sys.argv[2]))))
