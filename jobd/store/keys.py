"""Every key in Redis is a function here, with its type and how long it lives beside it.

All keys of a shard carry the same hash tag, so that they live in one slot of a Cluster. The scripts get the fixed ones
by name (`KEYS` in their heads) and build the others with the same words from `base`; a test compares the two.

| key | type | holds | lives |
|---|---|---|---|
| jobs | hash | id → spec: what running does not change (lua/lib/spec.lua) | until its retention ends |
| runs | hash | id → run record (lua/lib/run.lua); none: waiting, never delivered | as its job |
| results | hash | id → JSON of the result | as its job |
| progress | hash | id → JSON of the last progress | as its job |
| delayed | zset | id → due (ms) | until promoted |
| counts | hash | "<state letter>:<queue>" → number of jobs | for ever, one field a queue and state |
| grouped | hash | "g/<queue>/<group>" → number of its jobs that have not started | while there are any |
| ready, ready_solo | zset | line → rank of its first lane; lines of queues, lines of suspects | while work waits |
| leases | zset | member → end of its lease (ms) | until it leaves or is taken over |
| stages | hash | batch → deadline (ms), "committed", or "released" and until when that is known | that long |
| waiters | hash | id → inboxes to tell when the job ends | until the job ends |
| rules | hash | queue, type, key or group → what limits or pauses it (JSON) | until it is taken back |
| holds | hash | gate → how many hold a place, or whose turn it is (an id); "": filling | while held; "" for ever |
| rates | hash | gate with a bucket → when that is full again (us); <gate>! → whose room it is | while in use |
| pauses | hash | gate → until when nobody passes (ms) | until then |
| gated_gates | set | gates that anything waits before | while it does |
| opens | zset | gate → when it opens by itself (ms); more/<gate> → when to look at more lanes before it | until then |
| expiring | zset | id → when to look whether its time to wait has passed (ms) | a day longer than it at most |
| uniques | hash | unique key → owner, since, until (ms), the job that follows (lua/lib/unique.lua) | while owned |
| followers | zset | id of a job that waits for the end of its unique key's owner → since when (ms) | that long |
| periods | zset | unique key with an end → that (ms) | until then |
| answers | hash | name of a request → what was answered to it (lua/lib/answers.lua) | 24 h |
| answered | zset | name of a request → until when that is kept (ms) | 24 h |
| types | hash | job type → its defaults (JSON), told by workers | for ever, one field a type |
| operations | zset | operation → when it began (ms) | the last 100, and those that run |
| shelves | hash | queue, letter and class of jobs that say themselves what is kept → 1 | while any are |
| lanes:<line> | zset | lane → rank | while work waits in it |
| lane:<line>:<lane> | list | ids in order | while work waits in it |
| gated:<gate> | zset | "line lane", or "line " for all of it → since when it waits there (ms) | while it waits |
| shut:<line> | zset | lane that waits before a gate → 0 | while it waits |
| window:<gate> | zset | starts that count for a rate → when (ms) | the time of the rate, and a minute |
| held:<member> | zset | id → deadline (ms, or inf) of the delivery | while it holds jobs |
| ended:<queue>:<letter> | zset | id → when it ended (ms); ":<class>" behind: lib/shelf.lua | as its jobs |
| logs:<id> | list | JSON lines of a job's log, the last 1 000 | as its job |
| stage:<batch> | list | ids of a staged batch | until released or given up |
| gone:<0-2> | hash | id → when it was removed or met a unique key (ms); "!" id → refused | two to three minutes |
| member:<member> | hash | lines, types, lease, about, asked, last batch, what it took over, its end | as its lease |
| inbox:<member> | list | words for a process: wake, cancel, ended | as its lease; clients' 60 s |
| operation:<id> | hash | about, state, progress, owner, until, stop, began, ended | as in operations |
| idle:<line> | set | members to wake for this line | while they are idle |
| barrier | string | nothing: written so that WAIT speaks of all that was written before | for ever |
| shards | string | how many shards there are and were (agreement.py); in shard 0 only, none if it is 1 | for ever |
| homes | hash | queue → in which shards it lives (homes.py); in shard 0 only | for ever |
"""

from __future__ import annotations

from collections.abc import Sequence

FIXED = frozenset(
    {
        "jobs",
        "runs",
        "results",
        "progress",
        "delayed",
        "counts",
        "grouped",
        "ready",
        "ready_solo",
        "leases",
        "stages",
        "waiters",
        "types",
        "rules",
        "holds",
        "rates",
        "pauses",
        "opens",
        "operations",
        "shelves",
        "gated_gates",
        "expiring",
        "uniques",
        "periods",
        "followers",
        "answers",
        "answered",
        "shards",
        "homes",
    }
)


class Keys:
    """The keys of one shard."""

    def __init__(self, prefix: str, shard: int) -> None:
        self.base = f"{{{prefix}:{shard}}}:"
        self._fixed = {name: f"{self.base}{name}".encode() for name in FIXED}

    @property
    def barrier(self) -> bytes:
        return f"{self.base}barrier".encode()

    def fixed(self, name: str) -> bytes:
        """The key of this name; KeyError if there is no such fixed key."""
        return self._fixed[name]

    def all_fixed(self, names: Sequence[str]) -> list[bytes]:
        """The keys of these names."""
        return [self._fixed[name] for name in names]

    def lanes(self, line: str) -> str:
        return f"{self.base}lanes:{line}"

    def lane(self, line: str, lane: str) -> str:
        return f"{self.base}lane:{line}:{lane}"

    def gated(self, gate: str) -> str:
        return f"{self.base}gated:{gate}"

    def shut(self, line: str) -> str:
        return f"{self.base}shut:{line}"

    def window(self, gate: str) -> str:
        return f"{self.base}window:{gate}"

    def held(self, member: str) -> str:
        return f"{self.base}held:{member}"

    def ended(self, queue: str, letter: str) -> str:
        return self.shelf(f"{queue}:{letter}")

    def shelf(self, name: str) -> str:
        return f"{self.base}ended:{name}"

    def logs(self, job_id: str) -> str:
        return f"{self.base}logs:{job_id}"

    def stage(self, batch: str) -> str:
        return f"{self.base}stage:{batch}"

    def gone(self, bucket: int) -> str:
        return f"{self.base}gone:{bucket}"

    def member(self, member: str) -> str:
        return f"{self.base}member:{member}"

    def inbox(self, member: str) -> str:
        return f"{self.base}inbox:{member}"

    def operation(self, operation_id: str) -> str:
        return f"{self.base}operation:{operation_id}"

    def idle(self, line: str) -> str:
        return f"{self.base}idle:{line}"
