"""Writes `schemas/json/` from the types: `python -m schemas.generate`."""

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from schemas import discovery, events, requests, responses

FOLDER = Path(__file__).parent / "json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

DOCUMENTS: dict[str, tuple[type, ...]] = {
    "user-interactions": (events.InteractionEvent, events.CloudEvent, events.Retry, events.Marker),
    "product-updates": (events.ProductUpdate, events.ProductUpdateCloudEvent),
    "admin-commands": (events.AdminCommand,),
    "recommendation-log": (events.RecommendationLog,),
    "preferences-hint": (events.PreferenceHint,),
    "catalog-hint": (events.CatalogHint,),
    "trends-hint": (events.TrendsHint,),
    "settings-hint": (events.SettingsHint,),
    "recommendations": (responses.Recommendations,),
    "basket-request": (requests.BasketRequest,),
    "basket-recommendations": (discovery.BasketRecommendations,),
    "feed": (discovery.Feed,),
    "alike-items": (discovery.AlikeItems,),
    "suggestions": (discovery.Suggestions,),
    "item-list": (responses.ItemList,),
    "search-results": (discovery.SearchResults,),
    "item": (responses.Item,),
    "profile": (responses.Profile,),
    "accepted-events": (responses.AcceptedEvents,),
    "seen-list": (requests.SeenList,),
    "accepted-impressions": (responses.AcceptedImpressions,),
    "session-request": (requests.SessionRequest,),
    "session": (responses.Session,),
    "account-request": (requests.AccountRequest,),
    "account": (responses.Account,),
    "merge-request": (requests.MergeRequest,),
    "merged-user": (responses.MergedUser,),
    "key-request": (requests.KeyRequest,),
    "rotation-request": (requests.RotationRequest,),
    "api-keys": (responses.ApiKeys,),
    "new-api-key": (responses.NewApiKey,),
    "tuning-settings": (responses.TuningSettings,),
    "settings-history": (responses.SettingsHistory,),
    "command-status": (responses.CommandStatus,),
    "commands": (responses.Commands,),
    "erased-user": (responses.ErasedUser,),
    "user-export": (responses.UserExport,),
    "status": (responses.Status,),
    "health": (responses.Health,),
    "problem": (responses.Problem,),
}
"""File name without `.json` → the types of which a document is one."""


def json_schema(types: tuple[type, ...]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of documents that are one of `types`."""
    references, definitions = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    root = references[0] if len(references) == 1 else {"anyOf": list(references)}
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
    return {"$schema": DIALECT, **root, "$defs": definitions}


def documents() -> dict[str, str]:
    """File name → its content, for every document."""
    return {
        f"{name}.json": json.dumps(json_schema(types), indent=2, sort_keys=True) + "\n"
        for name, types in DOCUMENTS.items()
    }


def main() -> None:
    """Write every file anew; files of documents that are gone go too."""
    wanted = documents()
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
