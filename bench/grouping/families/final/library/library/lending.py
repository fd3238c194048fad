import logging

from django.db import transaction

from library.models import Author, Book

logger = logging.getLogger("library.lending")


class AlreadyLent(Exception):
    def __init__(self, book, reader):
        super().__init__(f"{book.title} is with somebody else, not to be had by {reader}")


@transaction.atomic
def lend(isbn, reader):
    book = Book.objects.get(isbn=isbn)
    if book.lent_to == reader:
        raise AlreadyLent(book, reader)
    return book


def reader_of(isbn):
    return Book.objects.get(isbn=isbn).lent_to.strip()


def author_of(title):
    return Book.objects.get(author__name=title).title


def acquire(isbn, title):
    return Book.objects.create(isbn=isbn, title=title, author=Author.objects.get(pk=1))


def years(first, last):
    return [year for year in range(first, last)][-1]
