"""Buckets in Redis, for several hosts: one script per request, on the clock of Redis."""

from __future__ import annotations

from redis import Redis, RedisError

from authsvc.web.limit_store import StoreUnavailable
from authsvc.web.token_bucket import PERIODS_BELIEVED, Rate, Verdict, allowed, refused

SECONDS_TO_ANSWER = 0.25
PREFIX = "authsvc:limit:"
# The same arithmetic as token_bucket.take; microseconds since 1970 fit exactly into Lua's numbers.
SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, capacity = tonumber(ARGV[1]), tonumber(ARGV[2])
local stored = tonumber(redis.call('GET', KEYS[1]) or '0')
if stored < now or stored > now + tonumber(ARGV[3]) * capacity then stored = now end
local after = stored + interval
if after > now + capacity then
  return {0, string.format('%.0f', stored), string.format('%.0f', now)}
end
local life = math.ceil((after - now) / 1000) + 1000
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', string.format('%.0f', life))
return {1, string.format('%.0f', after), string.format('%.0f', now)}
"""
GIVE_BACK = "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('DECRBY', KEYS[1], ARGV[1]) end"


class RedisStore:
    """Atomic in Redis; a slow answer counts as none."""

    def __init__(self, url: str) -> None:
        self._client = Redis.from_url(
            url, socket_timeout=SECONDS_TO_ANSWER, socket_connect_timeout=SECONDS_TO_ANSWER, retry=None
        )
        self._script = self._client.register_script(SCRIPT)
        self._give_back = self._client.register_script(GIVE_BACK)

    def take(self, key: str, rate: Rate, *, now: int) -> Verdict:
        """Return the verdict; raises ``StoreUnavailable``."""
        arguments = [rate.interval, rate.capacity, PERIODS_BELIEVED]
        try:
            taken, full_at, moment = self._script(keys=[PREFIX + key], args=arguments)
        except (RedisError, OSError) as error:
            raise StoreUnavailable from error
        verdict = allowed if int(taken) else refused
        return verdict(int(full_at), rate, now=int(moment))

    def give_back(self, key: str, rate: Rate) -> None:
        """Put one request back; raises ``StoreUnavailable``."""
        try:
            self._give_back(keys=[PREFIX + key], args=[rate.interval])
        except (RedisError, OSError) as error:
            raise StoreUnavailable from error
