-- `table` drops and makes the table anew, with `cascade`: the views that read it would be gone. `incremental` keeps the table,
-- and full_refresh=false keeps it under `dbt run --full-refresh`, too.
{{ config(materialized='incremental', unique_key=['day', 'product_id'], full_refresh=false) }}

select day, product_id, sum(pieces)::integer as pieces
from {{ source('shop', 'orders') }}
{% if is_incremental() %}
where day >= (select coalesce(max(day), '-infinity') from {{ this }})
{% endif %}
group by day, product_id
