"""What each page shows, a module for a page. Values only: `fill` reads them from storage, `render` makes the HTML."""
