{#- What DuckDB says in its own way; on another engine, these are what changes. -#}

{#- A text of digits alone as BIGINT; NULL for any other text, `1.5` and `1e3` too. -#}
{% macro whole_number(text) -%}
    if(regexp_full_match({{ text }}, '\d+'), try_cast({{ text }} as bigint), null)
{%- endmacro %}

{#- A text as DOUBLE; NULL where it is no number. -#}
{% macro decimal_number(text) -%}
    try_cast({{ text }} as double)
{%- endmacro %}

{#- When the build began, as TIMESTAMP, UTC. -#}
{% macro now_utc() -%}
    timestamp '{{ (run_started_at | string)[:19] }}'
{%- endmacro %}

{#- A text such as 2026-07-14 as DATE; NULL for any other text, `2026-7-14` and `2026-02-30` too. -#}
{% macro iso_date(text) -%}
    try_cast(nullif(regexp_extract({{ text }}, '^[0-9]{4}-[0-9]{2}-[0-9]{2}$', 0), '') as date)
{%- endmacro %}

{#- The value of the row with the highest rank, among the rows in which it is not NULL. -#}
{% macro newest(value, rank) -%}
    max_by({{ value }}, {{ rank }}) filter (where {{ value }} is not null)
{%- endmacro %}

{#- The lines of the files at `paths`, to select from: path, line (from 1), text. -#}
{% macro lines_of_files(paths) -%}
    {%- set literals = [] -%}
    {%- for path in paths -%}
        {#- read_text takes patterns: in a pattern of one letter, that letter means itself -#}
        {%- set pattern = path | replace('[', '[[]') | replace('*', '[*]') | replace('?', '[?]') -%}
        {%- do literals.append("'" ~ pattern | replace("'", "''") ~ "'") -%}
    {%- endfor -%}
    (
        select
            filename as path,
            unnest(string_split(content, chr(10))) as text,
            generate_subscripts(string_split(content, chr(10)), 1) as line
        from read_text([{{ literals | join(', ') }}]::varchar [])
    )
{%- endmacro %}

{#- The texts of a group's rows in one, in an order. -#}
{% macro joined(text, between, order_by) -%}
    string_agg({{ text }}, {{ between }} order by {{ order_by }} asc)
{%- endmacro %}

{#- The elements of a list, a row for each. -#}
{% macro each_of(list) -%}
    unnest({{ list }})
{%- endmacro %}

{#- The value of the row with the highest rank, NULL if it is NULL there. -#}
{% macro value_at_highest(value, rank) -%}
    arg_max_null({{ value }}, {{ rank }})
{%- endmacro %}

{#- A text as TIMESTAMP, UTC; NULL where it is none. An offset in the text is honoured. -#}
{% macro utc_timestamp(text) -%}
    (try_cast({{ text }} as timestamptz) at time zone 'UTC')
{%- endmacro %}

{#- Whether mail can go to a text: an address as HTML's email input has it, with a dot in its domain. -#}
{% macro is_mail_address(text) -%}
    coalesce(regexp_full_match(
        trim({{ text }}),
        '[A-Za-z0-9.!#$%&''*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+'
    ), false)
{%- endmacro %}
