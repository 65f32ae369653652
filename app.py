"""Creates the Flask application of one worker from its parts. It starts no server."""

from __future__ import annotations

from flask import Flask

from bpu.access_policy import access
from bpu.settings import Settings
from bpu.web import error_handlers, request_body, request_log
from bpu.web.body_budget import BodyBudget
from bpu.web.context import AppContext, Engine
from bpu.web.detaching import detaching
from bpu.web.factory import assemble, assemble_log, assemble_page
from bpu.web.middleware import auth, cors
from bpu.web.middleware.path_normalizer import PathNormalizer, api_names
from bpu.web.responder import release_job
from bpu.web.routes.activity import activity_blueprint
from bpu.web.routes.admin import ops
from bpu.web.routes.anthropic import anthropic
from bpu.web.routes.chat_completions import openai
from bpu.web.routes.completions import completions
from bpu.web.routes.metrics import metrics
from bpu.web.routes.models import models
from bpu.web.routes.ollama import ollama
from bpu.web.routes.responses import responses
from bpu.web.routes.token_counting import counting


def create_app(settings: Settings, engine: Engine | None = None, context: AppContext | None = None) -> Flask:
    """Create the WSGI application of one worker.

    `engine` replaces the one that `settings` ask for, `context` all parts. Raises `SettingsError`.
    """
    app = Flask("bpu.web", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]
    ctx = context or assemble(settings, engine)
    ctx.install(app)
    request_log.install(app, on_finished=ctx.count)
    rules = access(settings)
    auth.install(app, rules)
    # The budget must hold at least one body of the largest size.
    with_images = settings.max_image_body_bytes if ctx.served.seeing else 0
    budget = BodyBudget(max(settings.body_budget_bytes, settings.max_body_bytes, with_images))
    request_body.install(app, whole_s=settings.body_timeout_s, budget=budget, with_images=with_images)
    error_handlers.install(app)
    cors.install(app, settings.allowed_origins)
    app.teardown_request(release_job)
    parts = (
        openai,
        completions,
        responses,
        anthropic,
        ollama,
        counting,
        detaching,
        models,
        ops,
        metrics,
        activity_blueprint(rules, settings.activity, lambda: ctx.activity),
        assemble_page(ctx),
        assemble_log(ctx),
    )
    for blueprint in parts:
        app.register_blueprint(blueprint)
    app.wsgi_app = PathNormalizer(app.wsgi_app, api_names(rule.rule for rule in app.url_map.iter_rules()))  # type: ignore[method-assign]
    return app
