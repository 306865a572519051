// Lists go by days. Which days those are only the browser knows: it tells the server with every request.
const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
document.cookie = `timezone=${timeZone}; path=/; max-age=31536000; samesite=lax`;
