{#- A term's place in its year, in quarters from 1; 0 for a text that is no number, season or month. -#}
{% macro term_rank(term) -%}
    case
        when {{ term }} is null then 0
        -- a month, in two digits, stands within its quarter
        when {{ is_all(term, "'[0-9]{2}'") }} then round(1 + ({{ whole_number(term) }} - 1) / 3, 2)
        when {{ term }} in ('winter', 'wi', 'w', 'jfma', 'efma') then 1
        when {{ term }} in ('spring', 'sp', 's', 'mjja', 'amj') then 2
        when {{ term }} in ('summer', 'su', 'sond', 'jas') then 3
        when {{ term }} in ('fall', 'autumn', 'fa', 'f', 'ond') then 4
        else coalesce({{ whole_number(term) }}, 0)
    end
{%- endmacro %}
