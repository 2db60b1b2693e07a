# One database for all three: Viewkeeper reads DATABASE_URL; Alembic and dbt read PGHOST, PGPORT, …
export DATABASE_URL="${DATABASE_URL:-$(npx viewkeeper dev --database-url)}"
eval "$(node -e '
  const { hostname, port, username, password, pathname } = new URL(process.env.DATABASE_URL)
  const words = { HOST: hostname, PORT: port || 5432, USER: username, PASSWORD: password, DATABASE: pathname.slice(1) }
  for (const [name, word] of Object.entries(words)) console.log(`export PG${name}="${decodeURIComponent(word)}"`)
')"
