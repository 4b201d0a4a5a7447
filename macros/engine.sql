{#- What each engine says in its own way: DuckDB's form, then Spark's. All arguments are SQL. -#}

{#- Whether a text as a whole is what a pattern describes. -#}
{% macro matches(text, pattern) -%}
    {{ return(adapter.dispatch('matches')(text, pattern)) }}
{%- endmacro %}
{% macro duckdb__matches(text, pattern) -%}
    regexp_full_match({{ text }}, {{ pattern }})
{%- endmacro %}
{#- Java's $ also stands before a last line break. -#}
{% macro spark__matches(text, pattern) -%}
    ({{ text }} rlike concat('\\A(?:', {{ escape_for_java(pattern) }}, ')\\z'))
{%- endmacro %}

{#- Whether some part of a text is what a pattern describes. -#}
{% macro contains_match(text, pattern) -%}
    {{ return(adapter.dispatch('contains_match')(text, pattern)) }}
{%- endmacro %}
{% macro duckdb__contains_match(text, pattern) -%}
    regexp_matches({{ text }}, {{ pattern }})
{%- endmacro %}
{% macro spark__contains_match(text, pattern) -%}
    ({{ text }} rlike {{ escape_for_java(pattern) }})
{%- endmacro %}

{#- A text with the part that a pattern describes written anew; $1 is what its first group found. -#}
{% macro replace_match(text, pattern, as) -%}
    {{ return(adapter.dispatch('replace_match')(text, pattern, as)) }}
{%- endmacro %}
{% macro duckdb__replace_match(text, pattern, as) -%}
    regexp_replace({{ text }}, {{ pattern }}, replace({{ as }}, '$', '\'))
{%- endmacro %}
{% macro spark__replace_match(text, pattern, as) -%}
    regexp_replace({{ text }}, {{ escape_for_java(pattern) }}, {{ as }})
{%- endmacro %}

{#- A text as Spark reads it, where a \ says something of the letter behind it. -#}
{% macro escape_for_java(text) -%}
    {{ return(text | replace('\\', '\\\\')) }}
{%- endmacro %}

{#- The value of the row with the highest rank, NULL if it is NULL there. -#}
{% macro value_at_max(value, rank) -%}
    {{ return(adapter.dispatch('value_at_max')(value, rank)) }}
{%- endmacro %}
{#- DuckDB's max_by passes over rows without a value. -#}
{% macro duckdb__value_at_max(value, rank) -%}
    arg_max_null({{ value }}, {{ rank }})
{%- endmacro %}
{% macro spark__value_at_max(value, rank) -%}
    max_by({{ value }}, {{ rank }})
{%- endmacro %}

{#- The texts of a group's rows in one, in an order; NULL where there is none. -#}
{% macro string_agg(text, between, order_by) -%}
    {{ return(adapter.dispatch('string_agg')(text, between, order_by)) }}
{%- endmacro %}
{% macro duckdb__string_agg(text, between, order_by) -%}
    string_agg({{ text }}, {{ between }} order by {{ order_by }} asc)
{%- endmacro %}
{% macro spark__string_agg(text, between, order_by) -%}
    listagg({{ text }}, {{ between }}) within group (order by {{ order_by }} asc)
{%- endmacro %}

{#- The values of a group's rows as a list, in an order. -#}
{% macro ordered_list(value, order_by) -%}
    {{ return(adapter.dispatch('ordered_list')(value, order_by)) }}
{%- endmacro %}
{% macro duckdb__ordered_list(value, order_by) -%}
    list({{ value }} order by {{ order_by }} asc)
{%- endmacro %}
{% macro spark__ordered_list(value, order_by) -%}
    transform(array_sort(collect_list(struct({{ order_by }} as rank, {{ value }} as value))), row -> row.value)
{%- endmacro %}

{#- The elements of a list, a row for each. -#}
{% macro unnest_list(list) -%}
    {{ return(adapter.dispatch('unnest_list')(list)) }}
{%- endmacro %}
{% macro duckdb__unnest_list(list) -%}
    unnest({{ list }})
{%- endmacro %}
{% macro spark__unnest_list(list) -%}
    explode({{ list }})
{%- endmacro %}

{#- A number as the shortest text that says it, such as 0.65, 1.0 and 0.0005. -#}
{% macro number_as_text(number) -%}
    {{ return(adapter.dispatch('number_as_text')(number)) }}
{%- endmacro %}
{% macro duckdb__number_as_text(number) -%}
    ({{ number }})::string
{%- endmacro %}
{#- Spark says 5.0E-4 and 1.0E-5, where DuckDB says 0.0005 and 1e-05. -#}
{% macro spark__number_as_text(number) -%}
    case
        when {{ number }} >= 0.001 or {{ number }} = 0 then ({{ number }})::string
        when {{ number }} >= 0.0001 then trim(trailing '0' from ({{ number }})::decimal(38, 22)::string)
        else regexp_replace(replace(lower(({{ number }})::string), '.0e', 'e'), 'e-([0-9])$', 'e-0$1')
    end
{%- endmacro %}

{#- A text as TIMESTAMP, UTC; NULL where it is no date with or without a time. An offset is honoured. -#}
{% macro utc_timestamp(text) -%}
    {{ return(adapter.dispatch('utc_timestamp')(text)) }}
{%- endmacro %}
{#- Without the pattern, DuckDB reads `infinity`, and Spark `now`, `10:00` and `2020`. -#}
{% macro duckdb__utc_timestamp(text) -%}
    (if({{ matches(text, a_time()) }}, try_cast({{ text }} as timestamptz), null) at time zone 'UTC')
{%- endmacro %}
{% macro spark__utc_timestamp(text) -%}
    if(
        {{ matches(text, a_time()) }},
        -- a time without seconds has no offset there
        try_cast({{ replace_match(text, "'^([^:]*:[0-9]{2})((?:[ Z+-].*)?)$'", "'$1:00$2'") }} as timestamp),
        null
    )
{%- endmacro %}
{% macro a_time() -%}
    {%- set date = '[1-9][0-9]{3}-[0-9]{1,2}-[0-9]{1,2}' -%}
    {%- set time = '(?:[01]?[0-9]|2[0-3]):[0-9]{2}(?::[0-9]{2}(?:[.][0-9]+)?)?' -%}
    {%- set offset = '(?:Z| UTC|[+-](?:0[0-9]|1[0-4])(?::?[0-9]{2})?)' -%}
    '\s*{{ date }}(?:[ T]{{ time }}{{ offset }}?)?\s*'
{%- endmacro %}

{#- The lines of the files that a table names in `path`, to select from: path, line (from 1), text. What a
    model reads so has name_files() as its pre-hook: both engines must know files before a statement begins. -#}
{% macro lines_of_files(table) -%}
    {{ return(adapter.dispatch('lines_of_files')(table)) }}
{%- endmacro %}
{% macro duckdb__lines_of_files(table) -%}
    (
        select
            filename as path,
            unnest(string_split(content, chr(10))) as text,
            generate_subscripts(string_split(content, chr(10)), 1) as line
        from read_text(getvariable('files'))
    )
{%- endmacro %}
{#- Spark's readers of text know no lines' numbers, so a file comes as one cell. -#}
{% macro spark__lines_of_files(table) -%}
    {%- set files = ["select '' as path, '' as content where false"] -%}
    {%- for path in column_values(table, 'path', where='path is not null') -%}
        {#- a path is a pattern here: what is none has a \ before it; names with _ in front are hidden -#}
        {%- set pattern = modules.re.sub('([][*?{}\\\\])', '\\\\\\1', path) -%}
        {%- do files.append(
            "select '" ~ escape_for_java(path) | replace("'", "''") ~ "' as path, decode(content, 'UTF-8') as content"
            ~ ' from binaryfile.`' ~ pattern | replace('`', '``') ~ "` with ('ignoredPathSegmentRegex' = '(?!)')"
        ) -%}
    {%- endfor -%}
    (
        select
            path,
            position + 1 as line,
            text
        from ({{ files | join(' union all ') }}) as files
        lateral view posexplode(split(content, '\n')) as position, text
    )
{%- endmacro %}

{% macro name_files(table) -%}
    {{ return(adapter.dispatch('name_files')(table)) }}
{%- endmacro %}
{% macro duckdb__name_files(table) -%}
    {#- read_text takes patterns: in a pattern of one letter, that letter means itself -#}
    set variable files = (
        select coalesce(list(distinct regexp_replace(path, '([[*?])', '[\1]', 'g')), []) from {{ table }}
        where path is not null
    )
{%- endmacro %}
{#- A statement of Spark names them itself. -#}
{% macro spark__name_files(table) -%}
{%- endmacro %}

{#- A seed's row as a number that is higher the later the row stands in the file. -#}
{% macro seed_row_number() -%}
    {{ return(adapter.dispatch('seed_row_number')()) }}
{%- endmacro %}
{% macro duckdb__seed_row_number() -%}
    row_number() over ()
{%- endmacro %}
{% macro spark__seed_row_number() -%}
    monotonically_increasing_id()
{%- endmacro %}

{#- The rows of a seed, in one file, so that they stay in order, and each text quoted by Spark's rule.
    dbt-spark writes an empty cell as the text None. -#}
{% macro spark__load_csv_rows(model, agate_table) -%}
    {%- set rows = [] -%}
    {%- for row in agate_table.rows -%}
        {%- set cells = [] -%}
        {%- for cell in row -%}
            {%- set text = "'" ~ escape_for_java(cell | string) | replace("'", "''") ~ "'" -%}
            {%- do cells.append('null' if cell is none else text) -%}
        {%- endfor -%}
        {%- do rows.append('(' ~ cells | join(', ') ~ ')') -%}
    {%- endfor -%}
    {%- set sql = 'insert into ' ~ this ~ ' select /*+ coalesce(1) */ * from values ' ~ rows | join(', ') -%}
    {%- if rows -%}
        {%- do adapter.add_query(sql, abridge_sql_log=True) -%}
    {%- endif -%}
    {{ return(sql) }}
{%- endmacro %}

{#- Constraints of a contract are tests there: Spark's plain tables check none. -#}
{% macro spark__persist_constraints(relation, model) -%}
{%- endmacro %}
