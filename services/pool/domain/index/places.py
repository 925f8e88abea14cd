"""Which shelves each account's sessions stand on.

The sessions of an account have the same units left: those of one kind are one group, and a grant
moves the groups, of which there are as many as kinds, not the sessions. So it costs as much in an
account of sixteen as in one session's own. One group of each account counts, where units and
accounts are counted.
"""

from contracts.base import ServiceType, SessionId
from contracts.pool import Policy
from services.pool.domain.index.shelves import (
    COUNTABLE,
    GRANTABLE,
    Group,
    Placing,
    Shelf,
    ShelfKind,
)
from services.pool.domain.index.supply import ActiveLimits, Supply, rank_types
from services.pool.domain.index.zones import Zones
from services.pool.domain.quota import Zone
from services.pool.domain.records import Account, Session, Tally

_NOTHING: dict[ServiceType, Tally] = {}


class Places:
    """Every account's groups, and the shelves that they stand on."""

    __slots__ = (
        "_groups",
        "_order",
        "_policy",
        "_rarest_first",
        "_shelves",
        "_supply",
        "_zones",
        "active",
        "gains",
    )

    def __init__(self, policy: Policy, zones: Zones) -> None:
        """Nobody stands anywhere; the `zones` turn their days by themselves."""
        self.gains = 0
        """Counts whenever a session has come to have more to grant than before."""
        self.active = ActiveLimits(policy)
        """Of the accounts with a session that is countable."""
        self._policy = policy
        self._zones = zones
        self._shelves: dict[tuple[ServiceType, Zone, ShelfKind, int], Shelf] = {}
        self._order: dict[ServiceType, list[Shelf]] = {}
        self._groups: dict[Account, tuple[Group, ...]] = {}
        """Of each account, at most one of a kind; the first that is countable counts."""
        self._supply = Supply(policy)
        self._rarest_first = rank_types(self._supply.units)

    def enter_account(self, account: Account) -> None:
        """Know an account, unless it is known."""
        if account not in self._groups:
            self._groups[account] = ()
            self._supply.add_account(account)

    def drop_account(self, account: Account) -> None:
        """Forget the own account of a session that is about to use another."""
        groups = self._groups.pop(account)
        for group in groups:
            _take_off(group)
        self._count_active(account, groups, ())
        self._supply.drop_account(account)

    def rank_types(self) -> None:
        """Find out which types are rare, once all accounts are known."""
        self._rarest_first = rank_types(self._supply.units)

    def is_reordered_by(self, account: Account) -> bool:
        """Whether an account changes which types are rare, if it is a new one."""
        is_new = account not in self._groups
        units = self._supply.with_account(account) if is_new else self._supply.units
        return rank_types(units) != self._rarest_first

    def groups_of(self, account: Account) -> tuple[Group, ...]:
        """List an account's groups."""
        return self._groups[account]

    def place_session(
        self, session: Session, kind: ShelfKind | None, changed: ServiceType | None = None
    ) -> None:
        """Put a session, and those that share its account, where they belong; None is nowhere.

        Nothing but units of the type that `changed`, if one is named, may have come or gone since.
        """
        account, session_id = session.account, session.session_id
        # A rollback may speak to an index of which it drops the account, and then the index.
        groups = self._groups.get(account, ())
        group = group_with(groups, session_id)
        if group is None or group.kind is not kind:
            groups = self._regroup(account, group, session_id, kind)
        elif len(group.members) > 1:
            # It was just used, or is known better: the others' turn comes first.
            others = [name for name in group.members if name != session_id]
            group.members = (*others, session_id)
        if changed is None or group is None or not self._move_groups(account, groups, changed):
            self._place_groups(account, groups)

    def turn_days(self, turned: list[Zone]) -> None:
        """Place the accounts anew for whom another day began."""
        # Shelves are ordered by their resets, which have just moved.
        self._order.clear()
        for account, groups in self._groups.items():
            if self._zones.zone_of(account) in turned:
                self._place_groups(account, groups)

    def best_shelves(self, service_type: ServiceType) -> list[Shelf]:
        """List the shelves of a type, best first; there are zones times types of them."""
        order = self._order.get(service_type)
        if order is None:
            order = [shelf for key, shelf in self._shelves.items() if key[0] == service_type]
            order.sort(key=lambda shelf: (shelf.zone.resets_at, shelf.rarity))
            self._order[service_type] = order
        return order

    def units_left_of(self, account: Account, service_type: ServiceType) -> int:
        """Tell what an account has left today of one service type."""
        tallies = account.days.get(self._zones.zone_of(account).day, _NOTHING)
        limit = account.daily_limit(self._policy, service_type)
        return _units_left(limit, tallies.get(service_type))

    def units_left_by_type(self, account: Account) -> dict[ServiceType, int]:
        """Tell what an account has left today of every service type."""
        tallies = account.days.get(self._zones.zone_of(account).day, _NOTHING)
        limits = account.daily_limits(self._policy)
        return {
            name: _units_left(limits[name], tallies.get(name)) for name in self._policy.daily_limits
        }

    def _regroup(
        self, account: Account, group: Group | None, session_id: SessionId, kind: ShelfKind | None
    ) -> tuple[Group, ...]:
        """Have a session, which stands in `group`, stand with those that are of this kind.

        None for either is nowhere.
        """
        before = groups = self._groups.get(account, ())
        into = next((one for one in groups if one.kind is kind), None)
        if group is not None and len(group.members) == 1 and into is None and kind is not None:
            group.kind = kind
            if group.counts and len(groups) == 1 and kind in COUNTABLE:
                # Nearly always: a session that has come to be busy, or is so no more.
                return groups
        else:
            if group is not None:
                group.members = tuple(name for name in group.members if name != session_id)
                if not group.members:
                    _take_off(group)
                    groups = tuple(one for one in groups if one is not group)
            if into is not None:
                into.members = (*into.members, session_id)
                self.gains += into.kind in GRANTABLE
            elif kind is not None:
                groups = (*groups, Group(kind, (session_id,), {}))
            self._groups[account] = groups
        self._count_active(account, before, groups)
        return groups

    def _count_active(
        self, account: Account, before: tuple[Group, ...], groups: tuple[Group, ...]
    ) -> None:
        """Have one of an account's groups count for it, the first that is countable."""
        was_active = any(group.counts for group in before)
        counting = next((group for group in groups if group.kind in COUNTABLE), None)
        for group in groups:
            group.counts = group is counting
        if was_active is not (counting is not None):
            self.active.note_account(account, -1 if was_active else 1)

    def _move_groups(
        self, account: Account, groups: tuple[Group, ...], service_type: ServiceType
    ) -> bool:
        """Move an account's groups by what is left of one type, where that is all there is to do.

        It is not where the type becomes used up, or is so no more: then others become rarer. Nearly
        always it is.
        """
        first = groups[0].placed.get(service_type)
        if first is None:
            return False
        tally = account.days.get(first.shelf.zone.day, _NOTHING).get(service_type)
        left = _units_left(account.daily_limit(self._policy, service_type), tally)
        if left <= 0:
            return False
        for group in groups:
            old = group.placed.get(service_type)
            if old is None or old.shelf.kind is not group.kind or old.counted is not group.counts:
                return False
        for group in groups:
            old = group.placed[service_type]
            if old.left != left:
                old.shelf.take_group(group, old)
                self.gains += group.kind in GRANTABLE and old.left < left
                group.placed[service_type] = old.shelf.put_group(group, left)
        return True

    def _place_groups(self, account: Account, groups: tuple[Group, ...]) -> None:
        """Put an account's groups on the shelves of what it has left."""
        zone = self._zones.zone_of(account)
        tallies = account.days.get(zone.day, _NOTHING)
        limits = account.daily_limits(self._policy)
        rarity = 0
        for service_type in self._rarest_first:
            left = _units_left(limits.get(service_type, 0), tallies.get(service_type))
            for group in groups:
                kind, old = group.kind, group.placed.get(service_type)
                if left <= 0:
                    if old is not None:
                        old.shelf.take_group(group, old)
                        del group.placed[service_type]
                    continue
                # Of those that rest or wait for a trial none is chosen for what else it can do.
                ranked = kind is ShelfKind.FREE or kind is ShelfKind.DOUBTFUL
                rank = rarity if ranked else 0
                if old is not None:
                    shelf = old.shelf
                    is_same = shelf.kind is kind and shelf.zone is zone and shelf.rarity == rank
                    # As it was: it keeps its turn among its equals.
                    if is_same and old.left == left and old.counted is group.counts:
                        continue
                    shelf.take_group(group, old)
                if kind in GRANTABLE and _is_gain(old, left, kind):
                    self.gains += 1
                shelf = self._open_shelf(service_type, zone, kind, rank)
                group.placed[service_type] = shelf.put_group(group, left)
            # Types come rarest first: this counts those before the next that it has left.
            rarity += left > 0

    def _open_shelf(
        self, service_type: ServiceType, zone: Zone, kind: ShelfKind, rarity: int
    ) -> Shelf:
        key = (service_type, zone, kind, rarity)
        shelf = self._shelves.get(key)
        if shelf is None:
            shelf = self._shelves[key] = Shelf(kind, zone, rarity)
            self._order.pop(service_type, None)
        return shelf


def group_with(groups: tuple[Group, ...], session_id: SessionId) -> Group | None:
    """Find the one of an account's groups in which a session stands."""
    for group in groups:
        if session_id in group.members:
            return group
    return None


def _take_off(group: Group) -> None:
    """Take a group off all its shelves."""
    for placing in group.placed.values():
        placing.shelf.take_group(group, placing)
    group.placed.clear()


def _units_left(limit: int, tally: Tally | None) -> int:
    if tally is None:
        return limit
    if tally.closed:
        return 0
    left = limit - tally.used - tally.reserved
    return left if left > 0 else 0  # noqa: FURB136 (`max` costs a call)


def _is_gain(old: Placing | None, left: int, kind: ShelfKind) -> bool:
    return old is None or old.left < left or old.shelf.kind is not kind
