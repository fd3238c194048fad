from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=80)

    class Meta:
        app_label = "library"


class Book(models.Model):
    isbn = models.CharField(max_length=13, unique=True)
    title = models.CharField(max_length=200)
    author = models.ForeignKey(Author, models.CASCADE)
    lent_to = models.CharField(max_length=80, null=True)

    class Meta:
        app_label = "library"


class Shelf(models.Model):
    """Never migrated."""

    name = models.CharField(max_length=20)

    class Meta:
        app_label = "library"


def prepare():
    from django.db import connection

    existing = connection.introspection.table_names()
    with connection.schema_editor() as editor:
        for model in (Author, Book):
            if model._meta.db_table not in existing:
                editor.create_model(model)
    if not Author.objects.filter(pk=1).exists():
        Author.objects.create(pk=1, name="Le Guin")
        Book.objects.create(isbn="1", title="The Dispossessed", author_id=1)
        Book.objects.create(isbn="2", title="The Lathe of Heaven", author_id=1)
