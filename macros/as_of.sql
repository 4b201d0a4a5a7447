{#- The day that a build is of, as DATE; NULL where the variable as_of is no day. -#}
{% macro as_of() -%}
    {%- set day = var('as_of', none) -%}
    {%- if day is none -%}
        -- a day lasts until it has ended in UTC-12, where it ends last
        cast({{ now_utc() }} - interval 12 hour as date)
    {%- else -%}
        {{ iso_date("'" ~ day | string | replace("'", "''") ~ "'") }}
    {%- endif -%}
{%- endmacro %}
