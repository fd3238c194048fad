from django.urls import path

from library import views

urlpatterns = [
    path("book/<str:isbn>/", views.BookView.as_view()),
    path("old/catalogue/<str:isbn>", views.BookView.as_view()),
    path("loan/<str:isbn>/", views.LoanView.as_view(), name="loan"),
    path("reader/", views.ReaderView.as_view()),
    path("author/<str:name>/", views.by_author),
    path("shelf/<str:name>/", views.shelf),
    path("shelves/", views.shelves),
    path("hours/", views.hours),
    path("history/<int:year>/", views.history, name="history"),
    path("statistics/<int:year>/", views.statistics),
    path("forgot/<int:number>/", views.forgot),
    path("closing/<int:number>/", views.closing),
]
