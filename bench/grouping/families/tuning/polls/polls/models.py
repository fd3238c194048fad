from django.db import models


class Question(models.Model):
    text = models.CharField(max_length=100)
    slug = models.SlugField(unique=True)


def prepare():
    from django.db import connection

    with connection.schema_editor() as editor:
        editor.create_model(Question)
    Question.objects.create(text="Tea?", slug="tea")
