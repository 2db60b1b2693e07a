import type { EnvironmentOptions, ServeOptions } from './options.ts'

/** What `viewkeeper.config.ts` says. The file is in the folder where the command is called. */
export interface Config {
  /** Folders, relative to the file. */
  folders?: {
    /** The definitions of views. Default `views`. */
    views?: string
    /** The frozen migrations. Default `migrations`. */
    migrations?: string
  }
  /** What is deployed by `npx cdk deploy -c env=<name>`, by name. Default: nothing. */
  environments?: Record<string, EnvironmentOptions>
  /** What `npx viewkeeper serve` obeys. Default: every view is refreshed each night. */
  serve?: ServeOptions
}

/** Gives a configuration its type. Nothing is checked here: what loads the file reports all mistakes together. */
export const defineConfig = (config: Config): Config => config
