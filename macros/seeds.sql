{#- After a seed is loaded: the columns that its file need not have are there all the same, empty. -#}
{% macro add_optional_columns() %}
    {%- if execute -%}
        {%- set found = adapter.get_columns_in_relation(this) | map(attribute='name') | list -%}
        {%- for column in model.columns.values() -%}
            {%- if column.config.meta.optional and column.name not in found -%}
                {%- do run_query('alter table ' ~ this ~ ' add column ' ~ column.name ~ ' string') -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

{#- Whether a table has no row of which a condition is true. -#}
{% macro not_exists(table, condition) -%}
    not exists (select 1 from {{ table }} where {{ condition }})
{%- endmacro %}

{#- A sentence as a SQL text in which {column} is the cell of that column. -#}
{% macro format_sentence(sentence) -%}
    {%- set sentence = sentence | replace("'", "''") | replace('{', "' || coalesce(") -%}
    '{{ sentence | replace('}', "::string, 'empty') || '") }}'
{%- endmacro %}
