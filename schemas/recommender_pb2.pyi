from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecommendRequest(_message.Message):
    __slots__ = ("user_id", "selection", "after", "wait_ms")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    selection: Selection
    after: str
    wait_ms: int
    def __init__(self, user_id: _Optional[str] = ..., selection: _Optional[_Union[Selection, _Mapping]] = ..., after: _Optional[str] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class StreamRecommendationsRequest(_message.Message):
    __slots__ = ("user_id", "selection", "last_request_id")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    LAST_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    selection: Selection
    last_request_id: str
    def __init__(self, user_id: _Optional[str] = ..., selection: _Optional[_Union[Selection, _Mapping]] = ..., last_request_id: _Optional[str] = ...) -> None: ...

class Selection(_message.Message):
    __slots__ = ("limit", "kind", "category", "tags", "price_min", "price_max", "exclude", "boosts", "exclude_seen", "explain")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PRICE_MIN_FIELD_NUMBER: _ClassVar[int]
    PRICE_MAX_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    BOOSTS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_SEEN_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    limit: int
    kind: _containers.RepeatedScalarFieldContainer[str]
    category: _containers.RepeatedScalarFieldContainer[str]
    tags: _containers.RepeatedScalarFieldContainer[str]
    price_min: float
    price_max: float
    exclude: _containers.RepeatedScalarFieldContainer[str]
    boosts: _containers.RepeatedCompositeFieldContainer[Boost]
    exclude_seen: bool
    explain: bool
    def __init__(self, limit: _Optional[int] = ..., kind: _Optional[_Iterable[str]] = ..., category: _Optional[_Iterable[str]] = ..., tags: _Optional[_Iterable[str]] = ..., price_min: _Optional[float] = ..., price_max: _Optional[float] = ..., exclude: _Optional[_Iterable[str]] = ..., boosts: _Optional[_Iterable[_Union[Boost, _Mapping]]] = ..., exclude_seen: _Optional[bool] = ..., explain: _Optional[bool] = ...) -> None: ...

class Boost(_message.Message):
    __slots__ = ("field", "value", "factor")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    FACTOR_FIELD_NUMBER: _ClassVar[int]
    field: str
    value: str
    factor: float
    def __init__(self, field: _Optional[str] = ..., value: _Optional[str] = ..., factor: _Optional[float] = ...) -> None: ...

class Recommendations(_message.Message):
    __slots__ = ("user_id", "request_id", "version", "strategy", "items", "applied")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    request_id: str
    version: int
    strategy: str
    items: _containers.RepeatedCompositeFieldContainer[ListedItem]
    applied: bool
    def __init__(self, user_id: _Optional[str] = ..., request_id: _Optional[str] = ..., version: _Optional[int] = ..., strategy: _Optional[str] = ..., items: _Optional[_Iterable[_Union[ListedItem, _Mapping]]] = ..., applied: _Optional[bool] = ...) -> None: ...

class ListedItem(_message.Message):
    __slots__ = ("item_id", "score", "title", "kind", "category", "tags", "price", "currency", "image_url", "url", "reason", "components")
    class ComponentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    IMAGE_URL_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    score: float
    title: str
    kind: str
    category: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    price: float
    currency: str
    image_url: str
    url: str
    reason: Reason
    components: _containers.ScalarMap[str, float]
    def __init__(self, item_id: _Optional[str] = ..., score: _Optional[float] = ..., title: _Optional[str] = ..., kind: _Optional[str] = ..., category: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., price: _Optional[float] = ..., currency: _Optional[str] = ..., image_url: _Optional[str] = ..., url: _Optional[str] = ..., reason: _Optional[_Union[Reason, _Mapping]] = ..., components: _Optional[_Mapping[str, float]] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ("code", "text", "item_id")
    CODE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    code: str
    text: str
    item_id: str
    def __init__(self, code: _Optional[str] = ..., text: _Optional[str] = ..., item_id: _Optional[str] = ...) -> None: ...

class TrackRequest(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("event_id", "user_id", "item_id", "action", "ts_ms", "value", "session_id", "request_id", "position")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    TS_MS_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    user_id: str
    item_id: str
    action: str
    ts_ms: int
    value: float
    session_id: str
    request_id: str
    position: int
    def __init__(self, event_id: _Optional[str] = ..., user_id: _Optional[str] = ..., item_id: _Optional[str] = ..., action: _Optional[str] = ..., ts_ms: _Optional[int] = ..., value: _Optional[float] = ..., session_id: _Optional[str] = ..., request_id: _Optional[str] = ..., position: _Optional[int] = ...) -> None: ...

class TrackResponse(_message.Message):
    __slots__ = ("accepted", "rejected", "token")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    accepted: int
    rejected: _containers.RepeatedCompositeFieldContainer[RejectedEvent]
    token: str
    def __init__(self, accepted: _Optional[int] = ..., rejected: _Optional[_Iterable[_Union[RejectedEvent, _Mapping]]] = ..., token: _Optional[str] = ...) -> None: ...

class RejectedEvent(_message.Message):
    __slots__ = ("index", "field", "reason")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    index: int
    field: str
    reason: str
    def __init__(self, index: _Optional[int] = ..., field: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ("detail", "field", "reason", "rejected")
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    detail: str
    field: str
    reason: str
    rejected: _containers.RepeatedCompositeFieldContainer[RejectedEvent]
    def __init__(self, detail: _Optional[str] = ..., field: _Optional[str] = ..., reason: _Optional[str] = ..., rejected: _Optional[_Iterable[_Union[RejectedEvent, _Mapping]]] = ...) -> None: ...
