import { defineConfig } from 'viewkeeper'

export default defineConfig({
  // The definitions of views, and their frozen migrations.
  folders: { views: 'views', migrations: 'migrations' },
  // Where `--env production` is. What it is stands in the CDK app.
  environments: { production: { region: 'eu-central-1' } },
})
