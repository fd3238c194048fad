from flask import Flask


def create_app() -> Flask:
    app = Flask(__name__)

    from clinic import api, models, pages

    models.prepare()
    app.register_blueprint(pages.bp)
    app.register_blueprint(api.bp, url_prefix="/api")
    return app
